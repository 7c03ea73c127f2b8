/** Runs whose frozen weights stay in their mapped file: float32's adapter, in Bun and in Deno, and a file that is cut under them. */
import { describe, expect, test } from "bun:test"
import { closeSync, existsSync, openSync, readFileSync, truncateSync, writeFileSync, writeSync } from "node:fs"
import { join } from "node:path"
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
    "a file that changes during the run: one sentence, and no state of after it; restored, the run resumes to the adapter of an unchanged file",
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
      await succeed(w.cli(["train", "--resume", "changed", "--device", "native"]))
      await succeed(w.cli(train("unchanged", "file", "native", "busy.json")))
      const { card: _, ...adapter } = adapterOf(w, "unchanged")
      expect(adapterOf(w, "changed")).toMatchObject(adapter)
    },
    TIMEOUT
  )

  test(
    "a file that becomes shorter is named, and the run resumes once it is restored",
    async () => {
      const file = w.path("bert/model.safetensors")
      const bytes = readFileSync(file)
      const run = start([process.execPath, cli, ...train("cut", "file", "native", "busy.json")], w.directory)
      await run.said(/after step [1-4]\d:/)
      truncateSync(file, 4096)
      const { code, stderr } = await run.ended
      writeFileSync(file, bytes)
      expect(code).toBe(1)
      // by the check before a checkpoint, or by a kernel that reads beyond the end
      expect(stderr).toMatch(/model\.safetensors: (truncated|became shorter while its weights were in use)/)
      expect(stderr).not.toMatch(/panic|segmentation|at 0x/i)
      expect(existsSync(w.path("cut/adapter"))).toBe(false)
      await succeed(w.cli(["train", "--resume", "cut", "--device", "native"]))
    },
    TIMEOUT
  )

  test.skipIf(process.platform !== "linux")(
    "a kernel that reads beyond the end of a cut file: one sentence with its name, and exit code 1",
    async () => {
      const program = join(import.meta.dir, "cut-file.ts")
      for (const command of [[process.execPath], ...(Bun.which("deno") === null ? [] : [["deno", "run", "-A"]])]) {
        const { code, stdout, stderr } = await runCommand([...command, program, w.path("cut.bin")], {
          cwd: w.directory
        })
        expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
        expect(stderr).toContain("cut.bin: became shorter while its weights were in use; restore the file")
        expect(stderr).not.toMatch(/panic|segmentation|at 0x/i)
      }
    },
    TIMEOUT
  )
})
