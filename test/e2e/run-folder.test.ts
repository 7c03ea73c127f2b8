/**
 * What a run leaves, and that it can be used and repeated: the folder's files, bit-identical adapters, `evaluate` and `predict`
 * agreeing with what training recorded.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { mkdirSync } from "node:fs"
import {
  cli,
  jsonObjects,
  listing,
  onWasm,
  run as runCommand,
  succeed,
  TIMEOUT,
  tinyPlan,
  workspace
} from "./fixtures.ts"

const w = workspace()
const STEPS = 6
const training = { steps: STEPS, batchSize: 4, accumulate: 2, evaluateEvery: 2, evaluateRows: 5 }

const train = (...args: ReadonlyArray<string>) => succeed(w.cli(["train", ...args, ...onWasm]))

beforeAll(async () => {
  w.model("minilm")
  w.write("tiny.json", tinyPlan("minilm", { training }))
  await succeed(w.cli(["train", "tiny.json", "--device", "wasm", "--threads", "2"]))
}, TIMEOUT)

const adapterFiles = ["adapter/adapter_model.safetensors", "adapter/head.safetensors"]

/** The bytes that training is about. */
const trained = (folder: string) => adapterFiles.map((file) => Bun.hash(w.bytes(`${folder}/${file}`)))

const metricsOf = (folder: string) => jsonObjects(w.read(`${folder}/metrics.jsonl`))

describe("the run folder", () => {
  test("has the files of a run, and nothing temporary", () => {
    const files = listing(w.path("runs/tiny-1"))
    expect(files).toEqual(expect.arrayContaining(["metrics.jsonl", "plan.json", "run.json"]))
    expect(files).toEqual(expect.arrayContaining([...adapterFiles, "adapter/adapter_config.json"]))
    expect(files.filter((file) => /tmp|lock/.test(file))).toEqual([])
  })

  test("metrics.jsonl has every step in order, and the evaluations where they were due", () => {
    const rows = metricsOf("runs/tiny-1")
    const steps = rows.filter((row) => row["kind"] === "step")
    expect(steps.map((row) => row["step"])).toEqual(Array.from({ length: STEPS }, (_, i) => i + 1))
    for (const step of steps) {
      for (const field of ["loss", "learningRate", "gradNorm", "tokensPerSecond", "milliseconds"]) {
        expect(step[field]).toBeNumber()
        expect(step[field]).toBeGreaterThan(0)
      }
      expect(step["health"]).toBeObject()
    }
    const evaluations = rows.filter((row) => row["kind"] === "evaluation")
    const onTheWay = evaluations.filter((row) => row["split"] === "validation" && row["rows"] === 5)
    const scores = onTheWay.map((row) => ({
      step: row["step"],
      accuracy: row["accuracy"] as number,
      loss: row["loss"] as number
    }))
    const { step: best, accuracy } = scores.sort((a, b) => b.accuracy - a.accuracy || a.loss - b.loss)[0]!
    expect(w.json("runs/tiny-1/run.json")).toMatchObject({
      kept: { step: best, metric: "accuracy", value: accuracy, rows: 5 }
    })
    expect(evaluations.map(({ step, split, rows }) => [step, split, rows])).toEqual([
      [0, "test", 5],
      [2, "validation", 5],
      [4, "validation", 5],
      // by which the last state is compared with those before
      [STEPS, "validation", 5],
      // the best state, on the rows of before, so that what was gained is told on the same, and on all
      [best, "test", 5],
      [best, "validation", 6],
      [best, "test", 9]
    ])
    expect(rows.length).toBe(STEPS + evaluations.length)
  })

  test("run.json says what was trained on what, and how well", () => {
    const report = w.json("runs/tiny-1/run.json")
    expect(report).toMatchObject({
      name: "tiny",
      labels: ["bad", "fair", "good"],
      device: { backend: "wasm", threads: 2, simd: true },
      steps: STEPS,
      // rank 4 at 2 × (4 square layers of 48 and two of 48 × 96), and 3 classes of 48 with a bias
      trainable: { factors: 2 * 4 * (4 * 96 + 2 * 144), dense: 3 * 49 },
      before: { split: "test", step: 0, rows: 5 },
      planned: STEPS,
      stopped: null,
      after: { split: "test", rows: 5 },
      validation: { split: "validation", rows: 6 },
      test: { split: "test", rows: 9 },
      base: { path: "minilm" }
    })
    const { sha256 } = report["base"] as { sha256: Record<string, string> }
    const hash = new Bun.CryptoHasher("sha256").update(w.bytes("minilm/model.safetensors")).digest("hex")
    expect(sha256).toEqual({ "model.safetensors": hash })
    expect(Object.keys(report["versions"] as object)).toEqual(["tfjs-lora-pro", "kernels", "tfjs", "effect", "bun"])
    expect(report["peakBytes"]).toBeGreaterThan(50e6)
    expect(report["seconds"]).toBeGreaterThan(0)
    expect(metricsOf("runs/tiny-1").at(-1)).toEqual(report["test"] as Record<string, unknown>)
  })

  test("plan.json is complete, and names its inputs from where it lies", () => {
    expect(w.json("runs/tiny-1/plan.json")).toMatchObject({
      seed: 1,
      model: { source: "../../minilm", weights: "file" },
      data: { train: "../../train.jsonl", test: "../../test.jsonl", labels: ["bad", "fair", "good"], bucketPool: 8 },
      adapter: { method: "lora", rank: 4, scaling: "standard", targets: "all-linear", overrides: [] },
      optimizer: { kind: "lora-pro", form: "full", x: "sylvester", damping: 1e-8 },
      training: { ...training, deterministic: true }
    })
  })

  test(
    "without --out a fresh name is taken, and the first run stays as it was",
    async () => {
      const before = trained("runs/tiny-1")
      w.write("named.json", tinyPlan("minilm", { training: { steps: 1 } }))
      for (const n of [1, 2]) {
        const { stdout } = await train("named.json")
        expect(stdout).toContain(`runs/named-${n}/`)
        expect(listing(w.path(`runs/named-${n}`))).toContain("run.json")
      }
      expect(trained("runs/tiny-1")).toEqual(before)
    },
    TIMEOUT
  )

  test(
    "without rows to evaluate on, the end says that the gain is not known",
    async () => {
      const { validation: _, test: __, ...data } = tinyPlan("minilm").data
      w.write("blind.json", tinyPlan("minilm", { data, training: { epochs: 0.5 } }))
      const { stdout } = await train("blind.json")
      expect(stdout).toContain("The plan has neither data.validation nor data.test")
      expect(w.json("runs/blind-1/run.json")).toMatchObject({ before: null, validation: null, test: null, steps: 2 })
    },
    TIMEOUT
  )
})

describe("the same adapter, bit for bit:", () => {
  const again: Record<string, ReadonlyArray<string>> = {
    "the same plan": ["tiny.json", "--threads", "2"],
    "the same plan with one thread": ["tiny.json", "--threads", "1"],
    "the run's own plan.json": ["runs/tiny-1/plan.json", "--threads", "1"]
  }
  for (const [name, args] of Object.entries(again)) {
    test(
      name,
      async () => {
        const out = `again ${name}`
        await succeed(w.cli(["train", ...args, "--out", out, "--device", "wasm"]))
        expect(trained(out)).toEqual(trained("runs/tiny-1"))
        const { loss } = w.json(`${out}/run.json`)["test"] as Record<string, unknown>
        expect(loss).toBe((w.json("runs/tiny-1/run.json")["test"] as Record<string, unknown>)["loss"])
      },
      TIMEOUT
    )
  }

  test(
    "from another working directory; the new run is called after the first",
    async () => {
      mkdirSync(w.path("elsewhere"))
      const command = [process.execPath, cli, "train", "../runs/tiny-1/plan.json", ...onWasm]
      await succeed(runCommand(command, { cwd: w.path("elsewhere") }))
      expect(trained("elsewhere/runs/tiny-1-1")).toEqual(trained("runs/tiny-1"))
    },
    TIMEOUT
  )

  test(
    "but not with another seed",
    async () => {
      await train("tiny.json", "--set", "seed=2", "--out", "seed-2")
      const [adapter, head] = trained("seed-2")
      expect([adapter, head]).not.toContain(trained("runs/tiny-1")[0])
      expect([adapter, head]).not.toContain(trained("runs/tiny-1")[1])
    },
    TIMEOUT
  )
})
