/**
 * The same plan elsewhere: in Deno the same bytes as in Bun (wasm), on WebGPU the same losses within float32's reach.
 *
 * What a machine does not have is announced; REQUIRE_DENO=1 and REQUIRE_WEBGPU=1 make that a failure.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { webgpu } from "../runtime/runtimes.ts"
import { relativeError } from "../setup.ts"
import { cli, jsonObjects, onWasm, run, succeed, TIMEOUT, tinyPlan, workspace } from "./fixtures.ts"

const w = workspace()
beforeAll(() => {
  w.model("minilm")
  w.write("tiny.json", tinyPlan("minilm", { training: { steps: 6, batchSize: 4, accumulate: 2 } }))
})

const deno = Bun.which("deno")
if (deno === null) {
  if (process.env["REQUIRE_DENO"] === "1") throw new Error("deno is not installed, but REQUIRE_DENO=1")
  console.warn("deno is not installed: its runs are not compared (REQUIRE_DENO=1 makes that a failure)")
}

const inDeno = (args: ReadonlyArray<string>) =>
  succeed(run([deno!, "run", "-A", "--node-modules-dir=manual", cli, ...args], { cwd: w.directory }))

describe.skipIf(deno === null)("Deno", () => {
  test(
    "trains the same bytes as Bun, and reads what Bun trained",
    async () => {
      await succeed(w.cli(["train", "tiny.json", "--out", "by-bun", ...onWasm]))
      await inDeno(["train", "tiny.json", "--out", "by-deno", ...onWasm])
      for (const file of ["adapter_model.safetensors", "head.safetensors"]) {
        expect(w.bytes(`by-deno/adapter/${file}`)).toEqual(w.bytes(`by-bun/adapter/${file}`))
      }
      expect(w.json("by-deno/run.json")).toMatchObject({ versions: { deno: expect.any(String) } })
      const asked = ["predict", "by-bun", "the film is good", "--json", ...onWasm]
      expect((await inDeno(asked)).stdout).toBe((await succeed(w.cli(asked))).stdout)
    },
    4 * TIMEOUT
  )
})

describe.skipIf(!webgpu.exists)("WebGPU", () => {
  /** Relative, on losses of about 1: other orders of sums on a GPU, through ten steps. */
  const LOSSES = 1e-3
  const STEPS = 10
  const lossesOf = (folder: string) =>
    jsonObjects(w.read(`${folder}/metrics.jsonl`)).flatMap(({ kind, loss }) =>
      kind === "step" ? [loss as number] : []
    )

  const optimizers: Record<string, object> = {
    "LoRA with AdamW": { kind: "adamw", learningRate: 5e-3 },
    "LoRA-Pro, full": { kind: "lora-pro", form: "full", learningRate: 5e-3 },
    "LoRA-Pro, efficient": { kind: "lora-pro", form: "efficient", learningRate: 5e-3 }
  }
  const cases: Array<readonly [name: string, runtime: "Bun" | "Deno"]> = Object.keys(optimizers).map((n) => [n, "Bun"])
  // Bun's WebGPU is Dawn, Deno's is wgpu: other compilers of the same programs
  if (deno !== null) cases.push(["LoRA-Pro, full", "Deno"])
  for (const [name, runtime] of cases) {
    test(
      `${name}, in ${runtime}`,
      async () => {
        const optimizer = optimizers[name]!
        w.write("plan.json", tinyPlan("minilm", { optimizer, training: { steps: STEPS, batchSize: 8 } }))
        const [onCpu, onGpu] = [`wasm ${name} ${runtime}`, `webgpu ${name} ${runtime}`]
        await succeed(w.cli(["train", "plan.json", "--out", onCpu, ...onWasm]))
        const args = ["train", "plan.json", "--out", onGpu, "--device", "webgpu"]
        await (runtime === "Deno" ? inDeno(args) : succeed(w.cli(args)))
        expect(w.json(`${onGpu}/run.json`)).toMatchObject({ device: { backend: "webgpu" } })
        const expected = lossesOf(onCpu)
        expect(expected.length).toBe(STEPS)
        // it moves, so that equal losses mean something
        expect(Math.abs(expected[0]! - expected.at(-1)!)).toBeGreaterThan(0.01)
        const worst = lossesOf(onGpu).map((loss, i) => relativeError([loss], [expected[i]!]))
        expect(worst.length).toBe(STEPS)
        expect(Math.max(...worst)).toBeLessThanOrEqual(LOSSES)
      },
      2 * TIMEOUT
    )
  }
})
