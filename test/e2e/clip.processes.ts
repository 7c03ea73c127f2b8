/**
 * CLIP with its zero-shot head from the command line: what it learns, what it leaves, and what transformers and PEFT make of that.
 * Where Python has none of them, nothing is compared (REQUIRE_PEFT=1 makes that a failure; PYTHON names the interpreter).
 */
import { beforeAll, expect, test } from "bun:test"
import { cpSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { drawn, drawnClasses } from "../images.ts"
import { hasPeft } from "./causal-python.ts"
import { expectResumed } from "./causal-resumed.ts"
import {
  jsonLines,
  onWasm,
  type Plan,
  predicted,
  repository,
  run,
  succeed,
  TIMEOUT,
  tensorsIn,
  workspace
} from "./fixtures.ts"

const w = workspace()
const isThere = await hasPeft(w)
const python = process.env["PYTHON"] ?? "python3"

const splits = { train: 8, validation: 3, test: 4 } as const

beforeAll(() => {
  cpSync(join(repository, "test/golden/models/clip"), w.path("clip"), { recursive: true })
  for (const [at, [split, count]] of Object.entries(splits).entries()) {
    mkdirSync(w.path(`images/${split}`), { recursive: true })
    const rows = drawnClasses.flatMap((label) =>
      Array.from({ length: count }, (_, i) => ({ image: `${split}/${label}-${i}.png`, label, i }))
    )
    for (const { image, label, i } of rows) writeFileSync(w.path(`images/${image}`), drawn(label, 100 * at + i))
    w.write(`images/${split}.jsonl`, jsonLines(rows))
  }
})

const templates = ["a {}.", "{}"]
const data = {
  format: "images",
  train: "images/train.jsonl",
  validation: "images/validation.jsonl",
  test: "images/test.jsonl"
}
const planOf = (towers: "vision" | "both", sections: Record<string, unknown> = {}): Plan => ({
  seed: 1,
  model: { source: "clip", task: { kind: "zero-shot", templates, towers } },
  data,
  adapter: { method: "lora", rank: 4, alpha: 8 },
  optimizer: { kind: "lora-pro", learningRate: 1e-2 },
  training: { steps: 20, batchSize: 6 },
  ...sections
})

interface Recorded {
  readonly before: { readonly loss: number }
  readonly test: { readonly loss: number }
}

const asked = drawnClasses.map((name) => `images/test/${name}-0.png`)

/** Trains, and says what the trained model says of `asked`. */
const trained = async (towers: "vision" | "both") => {
  const directory = `runs/${towers}`
  await succeed(w.cli(["train", w.write(`${towers}.json`, planOf(towers)), "--out", directory, ...onWasm]))
  const logits = (await predicted(w, directory, asked)).map((one) => drawnClasses.map((name) => one.logits[name]!))
  return { directory, logits }
}

let runs: { readonly vision: Awaited<ReturnType<typeof trained>>; readonly both: Awaited<ReturnType<typeof trained>> }
beforeAll(async () => {
  runs = { vision: await trained("vision"), both: await trained("both") }
}, TIMEOUT)

test.each(["vision", "both"] as const)("with towers %s it learns, and adapts what it was told to", async (towers) => {
  const { directory } = runs[towers]
  const { before, test: after } = w.json(`${directory}/run.json`) as unknown as Recorded
  expect(after.loss).toBeLessThan(before.loss)
  const adapter = await tensorsIn(w, `${directory}/adapter/adapter_model.safetensors`)
  const moved = [...adapter].filter(([key, { data }]) => key.includes("lora_B") && data.some((value) => value !== 0))
  const ofTexts = moved.filter(([key]) => key.startsWith("base_model.model.text_model.encoder.layers."))
  expect([moved.length, ofTexts.length]).toEqual(towers === "both" ? [24, 12] : [12, 0])
})

test(
  "interrupted and resumed it is the uninterrupted run",
  () => {
    const training = { steps: 9, batchSize: 4, accumulate: 2, evaluateEvery: 3, evaluateRows: 5 }
    const augmented = { ...data, augment: { flip: true, crop: 0.5 } }
    const output = { checkpointEvery: 2, keep: 2 }
    return expectResumed(w, planOf("both", { data: augmented, training, output }), 1)
  },
  TIMEOUT
)

test("a folder of CLIPModel is suggested the zero-shot head; an adapter of PEFT alone says no labels", async () => {
  const data = ["--data", "images/train.jsonl", "--test", "images/test.jsonl"]
  const { stdout } = await succeed(w.cli(["suggest", "--model", "clip", ...data, "--json"]))
  const { plan } = JSON.parse(stdout)
  expect(plan.model.task).toEqual({ kind: "zero-shot", templates: ["a photo of a {}."], towers: "vision" })
  expect(plan.optimizer.headLearningRate).toBeUndefined()
  const activations = async (towers: "vision" | "both"): Promise<number> =>
    JSON.parse((await succeed(w.cli(["validate", `${towers}.json`, "--json"]))).stdout).memory.activations
  // the prompts are there in every step
  expect(await activations("both")).toBeGreaterThan(await activations("vision"))
  const asked = await w.cli(["predict", "clip/adapter", "--base", "clip", "images/test/ring-0.png", ...onWasm])
  expect(asked.code).toBe(1)
  expect(asked.stderr).toContain("contains label names; start a plan from the adapter (adapter.from)")
})

test.skipIf(!isThere)(
  "PEFT and transformers say the same of images, by an adapter and by a merged folder",
  async () => {
    const cases: Array<object> = Object.values(runs).flatMap(({ directory }) => {
      const one = { images: asked.map(w.path), labels: drawnClasses, templates }
      return [
        { ...one, base: w.path("clip"), adapter: w.path(`${directory}/adapter`) },
        { ...one, base: w.path(`${directory}/merged`), adapter: null }
      ]
    })
    for (const { directory } of Object.values(runs)) await succeed(w.cli(["merge", directory, ...onWasm]))
    // an adapter that PEFT made is what a run begins with
    const from = { adapter: { method: "lora", from: "clip/adapter" }, training: { steps: 1, batchSize: 6 } }
    await succeed(w.cli(["train", w.write("from.json", planOf("both", from)), "--out", "runs/from", ...onWasm]))
    const { before } = w.json("runs/from/run.json") as unknown as Recorded
    const tests = drawnClasses.flatMap((label) =>
      Array.from({ length: splits.test }, (_, i) => w.path(`images/test/${label}-${i}.png`))
    )
    cases.push({
      images: tests,
      labels: drawnClasses,
      templates,
      base: w.path("clip"),
      adapter: w.path("clip/adapter")
    })
    const env = { HF_HUB_OFFLINE: "1", TRANSFORMERS_VERBOSITY: "error", OMP_NUM_THREADS: "1" }
    const script = join(repository, "test/e2e/zero_shot.py")
    const { stdout } = await succeed(run([python, script], { cwd: w.directory, stdin: JSON.stringify(cases), env }))
    const theirs: ReadonlyArray<{ readonly logits: ReadonlyArray<ReadonlyArray<number>> }> = JSON.parse(
      stdout.trimEnd().split("\n").at(-1)!
    )
    const began = theirs.at(-1)!.logits.map((row, i) => {
      const exponentials = row.map(Math.exp)
      const label = Math.floor(i / splits.test)
      return -Math.log(exponentials[label]! / exponentials.reduce((sum, one) => sum + one))
    })
    expect(began.reduce((sum, loss) => sum + loss) / began.length).toBeCloseTo(before.loss, 5)
    // absolute, of logits of the order of 1: float32 in another order of sums
    const expected = Object.values(runs).flatMap(({ logits }) => [logits, logits])
    for (const [i, { logits }] of theirs.slice(0, -1).entries())
      for (const [j, row] of logits.entries())
        for (const [k, value] of row.entries()) expect(value).toBeCloseTo(expected[i]![j]![k]!, 4)
    expect(theirs.length).toBe(5)
  },
  TIMEOUT
)
