/** examples/fashion as a user starts it, for a few steps: MobileNetV2 with weights of a byte each, and images in the rows of Parquet files. */
import { expect, test } from "bun:test"
import { join } from "node:path"
import { jsonObjects, onWasm, repository, succeed, TIMEOUT, workspace } from "../e2e/fixtures.ts"

const w = workspace()
const plan = join(repository, "examples/fashion/fashion-lora-pro.json")
const validation = join(repository, "examples/data/fashion/validation.parquet")

test(
  "MobileNetV2 begins to tell clothes apart, and answers for the rows of a file",
  async () => {
    const sets = [
      "training.steps=8",
      "training.evaluateEvery=8",
      "training.evaluateRows=32",
      `data.test=${validation}`,
      "optimizer.learningRate=1e-4"
    ]
    const few = sets.flatMap((set) => ["--set", set])
    await succeed(w.cli(["train", plan, "--out", "run", ...few, ...onWasm]))
    const { test, data } = w.json("run/run.json") as never as {
      readonly test: { readonly accuracy: number; readonly rows: number }
      readonly data: ReadonlyArray<{
        readonly split: string
        readonly classes: ReadonlyArray<{ readonly label: string }>
      }>
    }
    // 45 % after 8 steps; a head that learned nothing has 10 ± 2 %
    expect(test.accuracy).toBeGreaterThan(0.3)
    expect(test.rows).toBe(200)
    await succeed(w.cli(["predict", "run", "--data", validation, "--out", "predicted.jsonl", ...onWasm]))
    const predicted = jsonObjects(w.read("predicted.jsonl"))
    expect(predicted.length).toBe(200)
    const classes = data[0]!.classes.map(({ label }) => label)
    expect(classes.length).toBe(10)
    // "label" is the file's own column, so the prediction's has another name
    const right = predicted.filter((row) => row["label"] === row["prediction"])
    expect(predicted.every((row) => classes.includes(`${row["prediction"]}`))).toBe(true)
    expect(right.length / 200).toBeGreaterThan(0.3)
  },
  2 * TIMEOUT
)
