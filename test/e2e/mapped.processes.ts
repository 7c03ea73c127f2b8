/** Runs whose frozen weights stay in their mapped file: float32's adapter, in Bun and in Deno, and a file that is cut under them. */
import { describe, expect, test } from "bun:test"
import { closeSync, existsSync, openSync, readFileSync, truncateSync, writeFileSync, writeSync } from "node:fs"
import { hasNative } from "../runtime/runtimes.ts"
import { cli, run as runCommand, succeed, TIMEOUT, workspace } from "./fixtures.ts"
import { adapterOf, busyPlan, start } from "./runs.ts"

const w = workspace()
w.model("bert")
w.write("plan.json", busyPlan("bert", 20))
w.write("busy.json", busyPlan("bert", 300))

const train = (out: string, weights: string, device = "native", file = "plan.json") => [
  ...["train", file, "--out", out, "--device", device, "--threads", "1"],
  ...["--set", `model.weights=${weights}`]
]

describe.skipIf(!hasNative)("on native", () => {
  test(
    "in Bun and in Deno: the adapter of float32",
    async () => {
      await succeed(w.cli(train("f32", "f32")))
      await succeed(w.cli(train("file", "file")))
      const { card: _, ...adapter } = adapterOf(w, "f32")
      expect(adapterOf(w, "file")).toMatchObject(adapter)
      if (Bun.which("deno") === null) return
      await succeed(runCommand(["deno", "run", "-A", cli, ...train("deno", "file")], { cwd: w.directory }))
      expect(adapterOf(w, "deno")).toMatchObject(adapter)
    },
    TIMEOUT
  )

  test(
    "a file that changes during the run: one sentence at its end, and no record of a result",
    async () => {
      const file = w.path("bert/model.safetensors")
      const bytes = readFileSync(file)
      const run = start([process.execPath, cli, ...train("changed", "file", "native", "busy.json")], w.directory)
      await run.said(/after step [1-4]\d:/)
      // the sign of one weight, in place
      const handle = openSync(file, "r+")
      writeSync(handle, Uint8Array.of(bytes.at(-1)! ^ 128), 0, 1, bytes.length - 1)
      closeSync(handle)
      const { code, stderr } = await run.ended
      writeFileSync(file, bytes)
      expect(code).toBe(1)
      expect(stderr).toContain(
        "model.safetensors changed during the run, which reads its weights there; restore it and resume"
      )
      expect(stderr).not.toMatch(/^\s+at /m)
      expect(existsSync(w.path("changed/run.json"))).toBe(false)
      const { stderr: resumed } = await succeed(w.cli(["train", "--resume", "changed", "--device", "native"]))
      expect(resumed).not.toContain("ERROR")
    },
    TIMEOUT
  )

  test.skipIf(process.platform !== "linux")(
    "a file that becomes shorter: one sentence with its name, and exit code 1",
    async () => {
      const file = w.path("bert/model.safetensors")
      const run = start([process.execPath, cli, ...train("cut", "file", "native", "busy.json")], w.directory)
      await run.said(/after step [1-4]\d:/)
      truncateSync(file, 4096)
      const { code, stderr } = await run.ended
      expect(code).toBe(1)
      expect(stderr).toContain("model.safetensors: became shorter while its weights were in use; restore the file")
      expect(stderr).not.toMatch(/panic|segmentation|at 0x/i)
      expect(existsSync(w.path("cut/adapter"))).toBe(false)
    },
    TIMEOUT
  )
})
