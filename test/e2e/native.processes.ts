/** Runs on the native device: one adapter for one plan, whatever the number of threads, the runtime and the interruptions. */
import { describe, expect, test } from "bun:test"
import { cpSync } from "node:fs"
import { hasNative } from "../runtime/runtimes.ts"
import { cli, run as runCommand, succeed, TIMEOUT, workspace } from "./fixtures.ts"
import { adapterOf, busyPlan, start } from "./runs.ts"

const w = workspace()
w.model("bert")
/** After the first progress lines there is time to interrupt the rest. */
const STEPS = 300
w.write("plan.json", busyPlan("bert", STEPS))

const train = (out: string, threads: number) => [
  "train",
  "plan.json",
  "--out",
  out,
  "--device",
  "native",
  "--threads",
  `${threads}`
]

describe.skipIf(!hasNative)("on native", () => {
  test(
    "with 1 and 2 threads, in Bun and in Deno: the same adapter",
    async () => {
      await succeed(w.cli(train("one", 1)))
      await succeed(w.cli(train("two", 2)))
      expect(adapterOf(w, "two")).toEqual(adapterOf(w, "one"))
      expect(w.json("two/run.json")).toMatchObject({ device: { backend: "native", threads: 2 } })
      if (Bun.which("deno") === null) return
      await succeed(runCommand(["deno", "run", "-A", cli, ...train("deno", 2)], { cwd: w.directory }))
      expect({ ...adapterOf(w, "deno"), card: "" }).toEqual({ ...adapterOf(w, "one"), card: "" })
    },
    TIMEOUT
  )

  test(
    "interrupted and resumed: the same adapter",
    async () => {
      const run = start([process.execPath, cli, ...train("cut", 1)], w.directory)
      await run.said(/after step [1-4]\d:/)
      run.kill("SIGINT")
      expect((await run.ended).code).toBe(130)
      cpSync(w.path("cut"), w.path("moved"), { recursive: true })
      await succeed(w.cli(["train", "--resume", "cut", "--device", "native", "--threads", "2"]))
      expect(adapterOf(w, "cut")).toEqual(adapterOf(w, "one"))
      const { stderr } = await succeed(w.cli(["train", "--resume", "moved", "--device", "wasm"]))
      expect(stderr).toMatch(
        /note: the steps so far were computed on native \w+, those that come are on wasm: .*--device native/
      )
    },
    TIMEOUT
  )
})
