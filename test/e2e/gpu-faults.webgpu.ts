/**
 * What a GPU does to a run, in Bun and Deno: a kernel that its compiler refuses, a device that goes away. Each is one
 * message that says which, exit code 1 and no stack; what was saved stands, nothing is half-written, and the run goes
 * on elsewhere.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { runtimes, webgpu } from "../runtime/runtimes.ts"
import type { GpuFault } from "./faulty-gpu.ts"
import { listing, onWasm, repository, run, succeed, TIMEOUT, tinyPlan, workspace } from "./fixtures.ts"
import { metricsOf } from "./runs.ts"

const w = workspace()
beforeAll(() => {
  w.model("bert")
  const sections = { training: { steps: 8, batchSize: 4, evaluateEvery: 5 }, output: { checkpointEvery: 2, keep: 2 } }
  w.write("lora-pro.json", tinyPlan("bert", sections))
  w.write("adamw.json", tinyPlan("bert", { ...sections, optimizer: { kind: "adamw", learningRate: 1e-2 } }))
})

const stepsIn = (folder: string) => metricsOf(w, folder).flatMap(({ kind, step }) => (kind === "step" ? [step] : []))

for (const { name, command } of runtimes) {
  /** Fails unless the run ends with exit code 1 and one message, which is returned with all that was said. */
  const failure = async (fault: GpuFault, plan: string, folder: string) => {
    const script = join(repository, "test", "e2e", "faulty-gpu.ts")
    const { code, stdout, stderr } = await run(
      [...command, script, "train", plan, "--out", folder, "--device", "webgpu"],
      { cwd: w.directory, env: { GPU_FAULT: JSON.stringify(fault) } }
    )
    expect({ code, stdout, stderr }).toEqual({ code: 1, stdout: "", stderr })
    expect(stderr).not.toMatch(/^\s+at /m)
    const [said, message, ...more] = stderr.split("\nERROR\n  ")
    expect(more).toEqual([])
    // neither a lock nor a part of a file
    expect(listing(w.path(folder)).filter((file) => /lock|\.tmp-/.test(file))).toEqual([])
    return { said: said!, message: message! }
  }

  describe.skipIf(!webgpu.exists)(`in ${name}`, () => {
    test(
      "a kernel that does not compile ends the run with its name and the step; nothing that it computed is kept",
      async () => {
        const folder = `${name}-invalid`
        const { said, message } = await failure({ kernel: "Adam" }, "adamw.json", folder)
        expect(message).toMatch(/^webgpu: step 1: kernel Adam: .*(WGSL|parsing error)/s)
        // its errors come through us, and not a second time from the runtime
        expect(said).not.toMatch(/validation|WGSL|parsing error/)
        expect(said).toMatch(new RegExp(`no step is saved yet; resume with: .* train --resume ${folder}\n`))
        expect(readdirSync(w.path(folder)).sort()).toEqual(["metrics.jsonl", "plan.json"])
        expect(stepsIn(folder)).toEqual([])
        await succeed(w.cli(["train", "--resume", folder, ...onWasm]))
        expect(stepsIn(folder)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
      },
      2 * TIMEOUT
    )

    for (const plan of ["adamw", "lora-pro"]) {
      test(
        `a device that is destroyed under ${plan} is told as that; the run goes on from the checkpoint before`,
        async () => {
          const folder = `${name}-lost-${plan}`
          const { said, message } = await failure({ destroyedAt: "after step 5:" }, `${plan}.json`, folder)
          expect(message).toMatch(/webgpu: step \d: the device was lost: .*destroyed/)
          expect(said).toMatch(
            new RegExp(`step \\d is not saved \\(.*\\); step 4 is saved; resume with: .* train --resume ${folder}\n`)
          )
          expect(readdirSync(w.path(`${folder}/checkpoints`)).sort()).toEqual(["step-00000002", "step-00000004"])
          const { stderr } = await succeed(w.cli(["train", "--resume", folder, ...onWasm]))
          expect(stderr).toContain("resumes after step 4\n")
          expect(stepsIn(folder)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
        },
        2 * TIMEOUT
      )
    }
  })
}
