/** The studio as a process: runs that it starts, queues, stops, resumes and finds again, and an engine that may end. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import type { RunState, RunSummary } from "../../src/studio/protocol/index.ts"
import { type OpenStudio, openStudio } from "../browser/studio.ts"
import { cli, onWasm, run, succeed, tinyPlan, workspace } from "../e2e/fixtures.ts"
import { runtimes } from "./runtimes.ts"

const w = workspace()
w.model("bert")
const plan = (steps: number) => tinyPlan("bert", { training: { steps, batchSize: 4, evaluateEvery: 10 } })
const deno = runtimes.find(({ name }) => name === "deno")
/** Longer than any test here looks at it. */
const ENDLESS = 100_000
/** Seconds: a run that is to be stopped must be under way when the studio's answer has come here, however busy the machine is. */
const LONG = 1_000

let studio: OpenStudio
beforeAll(async () => {
  studio = await openStudio({ folder: w.directory })
})
afterAll(() => studio.close())

const until = async (id: string, is: (summary: RunSummary) => boolean): Promise<RunSummary> => {
  const event = await studio.until("run", { id }, (one) => one.kind === "summary" && is(one.summary))
  return (event as { readonly summary: RunSummary }).summary
}
/** A run that has come to its end will not get anywhere else: waiting for it would take the test's whole time. */
const reaches = (id: string, state: RunState) =>
  until(id, (summary) => {
    if (summary.state === "finished" && state !== "finished")
      throw new Error(`${id} is finished, and was to be ${state}`)
    return summary.state === state
  })
const begins = (id: string) => until(id, ({ state, step }) => state === "training" && step > 5)
const listed = async (id: string) => (await studio.call("runs", {})).find((one) => one.id === id)
const pidOf = (id: string): number => {
  const record = join(studio.state, "runs", `${encodeURIComponent(id)}.json`)
  const { owner } = JSON.parse(readFileSync(record, "utf8")) as { readonly owner: { readonly pid: number } }
  return owner.pid
}
const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe("runs of the studio", () => {
  test("are trained one after the other, and leave what the command line leaves", async () => {
    const first = await studio.call("start", { name: "a film", plan: plan(30) })
    const second = await studio.call("start", { name: "a film", plan: plan(20) })
    expect([first.id, second.id]).toEqual(["runs/a-film-1", "runs/a-film-2"])
    expect(await listed(second.id)).toMatchObject({ state: "waiting", note: "waits for runs/a-film-1 to finish" })
    await reaches(first.id, "finished")
    await reaches(second.id, "finished")
    const result = await studio.call("result", first)
    expect(result.gained).toStartWith("Accuracy on test ")
    expect(result.files.map(({ path }) => path)).toContain("adapter/adapter_model.safetensors")
    expect(result.page).toBe("report.html")
    const curves = await studio.call("curves", { ids: [first.id, second.id], plot: "loss", points: 10 })
    expect(curves.runs.map(({ id, x }) => [id, x.at(-1)])).toEqual([
      [first.id, 30],
      [second.id, 20]
    ])
    // two plans of one name are two files
    expect(["plans/a-film.json", "plans/a-film-2.json"].map((name) => existsSync(w.path(name)))).toEqual([true, true])
    // and the same plan is the same file, which trains by hand as it did here
    await succeed(w.cli(["train", "plans/a-film.json", "--out", "runs/by-hand", ...onWasm]))
    expect(w.bytes("runs/by-hand/adapter/adapter_model.safetensors")).toEqual(
      w.bytes("runs/a-film-1/adapter/adapter_model.safetensors")
    )
    expect(await listed("runs/by-hand")).toMatchObject({ state: "finished", step: 30, steps: 30 })
  })

  test("stop after a step, go on, and end with the bytes of one that was never stopped", async () => {
    const { id } = await studio.call("start", { name: "stopped", plan: plan(LONG) })
    await begins(id)
    // twice is once: a second signal would end it unsaved; the second one may find that the run has ended
    const stop = () => studio.call("stop", { id })
    const asked = await Promise.allSettled([stop(), stop()])
    const refused = asked.flatMap((one) => (one.status === "rejected" ? [(one.reason as Error).message] : []))
    expect([[], [`${id} is not running`]]).toContainEqual(refused)
    const stopped = await reaches(id, "stopped")
    expect(stopped.step).toBeLessThan(LONG)
    await studio.call("resume", { id })
    await reaches(id, "finished")
    const { id: whole } = await studio.call("start", { name: "whole", plan: plan(LONG) })
    await reaches(whole, "finished")
    expect(w.bytes(`${id}/adapter/adapter_model.safetensors`)).toEqual(
      w.bytes(`${whole}/adapter/adapter_model.safetensors`)
    )
  })

  test("say why they failed", async () => {
    const wrong = await studio.call("start", { name: "wrong", plan: { ...plan(5), model: { source: "nowhere" } } })
    expect((await reaches(wrong.id, "failed")).note).toContain("nowhere")
    const { id } = await studio.call("start", { name: "killed", plan: plan(ENDLESS) })
    await begins(id)
    process.kill(pidOf(id), "SIGKILL")
    expect((await reaches(id, "failed")).note).toStartWith(
      "its process was killed: the machine may have run out of memory"
    )
    await expect(studio.call("start", { name: "no plan", plan: { model: 1 } })).rejects.toThrow(/model/)
  })

  /** Watches until a hundred steps are drawn, and the memory over them. */
  const watched = async (id: string) => {
    let steps = 0
    const lines: Array<string> = []
    for await (const event of studio.watch("run", { id })) {
      if (event.kind === "log") lines.push(...event.lines)
      if (event.kind !== "plots") continue
      const last = event.plots.find((plot) => plot.id === "loss")?.x.at(-1) ?? 0
      expect(last).toBeGreaterThanOrEqual(steps)
      steps = last
      const memory = event.plots.find((plot) => plot.id === "memory")
      if (steps < 100 || memory === undefined || memory.x.length < 2) continue
      expect(memory.series[0]!.values.every((megabytes) => megabytes! > 20 && megabytes! < 2_000)).toBe(true)
      break
    }
    // each line once
    expect(new Set(lines).size).toBe(lines.length)
    expect(lines[0]).toStartWith("long: ")
  }

  test("are watched, go on when the studio ends, and are found again", async () => {
    const { id } = await studio.call("start", { name: "long", plan: plan(ENDLESS) })
    await watched(id)
    const { id: queued } = await studio.call("start", { name: "queued", plan: plan(5) })
    const pid = pidOf(id)
    // Ctrl-C in the studio's terminal, and its end, reach a process group of which the run is no part
    if (process.platform === "linux")
      expect(Number(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")[2])).toBe(pid)
    const { secret, url } = studio
    expect(await studio.stop()).toBe(0)
    expect(studio.said()).toContain(`${id} continues`)
    expect(isAlive(pid)).toBe(true)
    studio = await openStudio({ folder: w.directory })
    // each start has a secret of its own
    expect([studio.secret === secret, studio.url === url]).toEqual([false, false])
    const found = await listed(id)
    expect(found).toMatchObject({ state: "training" })
    await until(id, ({ step }) => step > found!.step)
    expect(await listed(queued)).toMatchObject({ state: "waiting", note: `waits for ${id} to finish` })
    await studio.call("stop", { id })
    expect((await reaches(id, "stopped")).note).toBeNull()
    await reaches(queued, "finished")
  })

  test("of the command line are listed, and wait for no one", async () => {
    const child = Bun.spawn(
      [process.execPath, cli, "train", w.write("outside.json", plan(ENDLESS)), "--out", "runs/outside", ...onWasm],
      {
        cwd: w.directory,
        stdio: ["ignore", "ignore", "ignore"]
      }
    )
    try {
      while ((await listed("runs/outside"))?.state !== "training") await Bun.sleep(50)
      const { id } = await studio.call("start", { name: "after", plan: plan(5) })
      expect(await listed(id)).toMatchObject({ state: "waiting", note: "waits for runs/outside to finish" })
      // unless it is told to begin
      await studio.call("resume", { id, now: true })
      await reaches(id, "finished")
      // a lock is a file of the folder: what it names is signalled by no one
      await expect(studio.call("stop", { id: "runs/outside" })).rejects.toThrow(
        `runs/outside was not started in the studio: stop it with Ctrl-C in its terminal (process ${child.pid})`
      )
      child.kill("SIGINT")
      await reaches("runs/outside", "stopped")
      expect(await child.exited).toBe(130)
    } finally {
      child.kill("SIGKILL")
    }
  })
})

const stateHome = ({ state }: OpenStudio) => dirname(dirname(dirname(state)))

describe("the studio", () => {
  test("asks a new engine where the last one has ended", async () => {
    const engines = () =>
      readdirSync("/proc").filter((pid) => {
        if (!/^\d+$/.test(pid)) return false
        try {
          const isStudio = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes("studio")
          const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]
          return isStudio && Number(parent) === studio.pid
        } catch {
          return false
        }
      })
    const device = await studio.call("device", {})
    if (process.platform !== "linux") return
    const [first, ...others] = engines()
    expect(others).toEqual([])
    process.kill(Number(first), "SIGKILL")
    while (engines().length > 0) await Bun.sleep(20)
    // a question that meets its end is told so
    const again = await studio.call("device", {}).catch(() => studio.call("device", {}))
    expect(again).toBe(device)
    expect(engines()).not.toEqual([first!])
  })

  test("is one for a folder, and says where another is", async () => {
    const env = { XDG_STATE_HOME: stateHome(studio) }
    const second = await run([process.execPath, cli, "studio", "--port", "0"], { cwd: w.directory, env })
    expect(second.code).toBe(1)
    const file = join(studio.state, "address")
    expect(second.stderr).toContain(
      `a studio is already open for this folder at ${studio.origin}; open the address in ${file}, or end its process ${studio.pid}`
    )
  })

  test("says what to do where its port is taken", async () => {
    const other = mkdtempSync(join(tmpdir(), "studio-"))
    const env = { XDG_STATE_HOME: stateHome(studio) }
    const second = await run([process.execPath, cli, "studio", "--port", new URL(studio.url).port], { cwd: other, env })
    rmSync(other, { recursive: true })
    expect(second.code).toBe(1)
    expect(second.stderr).toMatch(
      /cannot listen on 127\.0\.0\.1:\d+: another program uses this port; choose another port with --port N, or pass --port 0 for any free port/
    )
  })
})

describe.skipIf(deno === undefined)("in Deno, the studio", () => {
  test("trains, ends, finds its run again, and removes it", async () => {
    const folder = join(w.directory, "deno")
    const program = [...deno!.command, cli]
    const own = tinyPlan("../bert", {
      data: {
        ...tinyPlan("bert").data,
        train: "../train.jsonl",
        validation: "../validation.jsonl",
        test: "../test.jsonl"
      },
      training: { steps: ENDLESS, batchSize: 4 }
    })
    let other = await openStudio({ folder, program })
    try {
      const { id } = await other.call("start", { name: "long", plan: own })
      await other.until("run", { id }, (event) => event.kind === "summary" && event.summary.step > 5)
      expect(await other.call("device", {})).toContain("wasm")
      expect(await other.stop()).toBe(0)
      other = await openStudio({ folder, program })
      expect((await other.call("runs", {}))[0]).toMatchObject({ id, state: "training" })
      await expect(other.call("remove", { id })).rejects.toThrow("is still running; stop it first, then remove it")
      await other.call("stop", { id })
      await other.until("run", { id }, (event) => event.kind === "summary" && event.summary.state === "stopped")
      await other.call("remove", { id })
      expect(await other.call("runs", {})).toEqual([])
      expect(readdirSync(join(folder, "runs"))).toEqual([])
    } finally {
      await other.close()
    }
  })
})
