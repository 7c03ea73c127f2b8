/**
 * A studio that is killed (SIGKILL) at random moments while it starts, queues, stops, exports and removes: opened again it has every run
 * that is there, no half-removed one, no partial export, and nothing left under a temporary name.
 *
 *   STUDIO_KILLS=100 bun test ./test/long/studio-kill.long.ts
 */
import { expect, test } from "bun:test"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { randomStream } from "../../src/numbers/random.ts"
import { type OpenStudio, openStudio } from "../browser/studio.ts"
import { onWasm, succeed, tinyPlan, workspace } from "../e2e/fixtures.ts"

const KILLS = Number(process.env["STUDIO_KILLS"] ?? 8)
const SEED = 20_261_201

test(
  `${KILLS} kills at random`,
  async () => {
    const w = workspace()
    w.model("bert")
    const random = randomStream(SEED)
    const plan = (steps: number) =>
      tinyPlan("bert", { training: { steps: Math.floor(steps), batchSize: 4 }, output: { checkpointEvery: 5 } })
    await succeed(w.cli(["train", w.write("kept.json", plan(10)), "--out", "runs/kept", ...onWasm]))
    const filesOf = (folder: string) =>
      existsSync(w.path(folder)) ? (readdirSync(w.path(folder), { recursive: true }) as Array<string>).sort() : []
    const kept = filesOf("runs/kept")
    let studio: OpenStudio = await openStudio({ folder: w.directory })
    /** One thing of many; what it is refused for does not matter here. */
    const act = async () => {
      const runs = await studio.call("runs", {})
      const others = runs.filter(({ id }) => id !== "runs/kept")
      const one = others[Math.floor(random() * others.length)]
      const kind = Math.floor(random() * 6)
      if (kind === 0 || one === undefined) await studio.call("start", { name: "one", plan: plan(20 + 400 * random()) })
      if (kind === 1 && one !== undefined) await studio.call("stop", { id: one.id })
      if (kind === 2 && one !== undefined) await studio.call("remove", { id: one.id })
      if (kind === 3 && one !== undefined) await studio.call("resume", { id: one.id, now: random() < 0.5 })
      if (kind === 4)
        for await (const _ of studio.watch("export", { id: "runs/kept", format: "merged", options: {} })) _
      if (kind === 5)
        for (const { id } of await studio.call("exported", { id: "runs/kept" }))
          await studio.call("removeExport", { id })
    }
    try {
      for (let kill = 0; kill < KILLS; kill++) {
        const until = performance.now() + 200 + 3_000 * random()
        const acting = Array.from({ length: 2 }, async () => {
          while (performance.now() < until) await act().catch(() => Bun.sleep(20))
        })
        await Bun.sleep(until - performance.now())
        process.kill(studio.pid, "SIGKILL")
        await studio.stop()
        await Promise.all(acting)
        studio = await openStudio({ folder: w.directory })
        const listed = await studio.call("runs", {})
        const folders = readdirSync(w.path("runs")).filter((name) =>
          existsSync(join(w.directory, "runs", name, "plan.json"))
        )
        for (const name of folders) expect(listed.map(({ id }) => id)).toContain(`runs/${name}`)
        expect(readdirSync(w.path("runs")).filter((name) => name.startsWith(".removed-"))).toEqual([])
        expect(filesOf("runs/kept")).toEqual(kept)
        for (const name of existsSync(w.path("exports")) ? readdirSync(w.path("exports")) : []) {
          // one whose process goes on still has another name
          if (!/-merged-\d+$/.test(name)) continue
          expect(filesOf(`exports/${name}`)).toContain("README.md")
          expect(filesOf(`exports/${name}`)).toContain("model.safetensors")
        }
        for (const name of readdirSync(join(studio.state, "runs")).filter((one) => one.endsWith(".json")))
          JSON.parse(readFileSync(join(studio.state, "runs", name), "utf8"))
      }
      // whatever trained is over, and the studio as useful as ever
      for (const { id, state } of await studio.call("runs", {}))
        if (state === "training" || state === "starting" || state === "waiting")
          await studio.call("stop", { id }).catch(() => {})
      const { id } = await studio.call("start", { name: "last", plan: plan(5) })
      await studio.call("resume", { id, now: true }).catch(() => {})
      await studio.until("run", { id }, (event) => event.kind === "summary" && event.summary.state === "finished")
    } finally {
      await studio.close()
    }
  },
  60_000 + 15_000 * KILLS
)
