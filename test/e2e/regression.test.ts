/** Numbers of texts from `suggest` to a merged model: standardised inside, in the data's units everywhere else. */
import { beforeAll, expect, test } from "bun:test"
import { jsonLines, jsonObjects, onWasm, succeed, TIMEOUT, tensorsIn, tinyPlan, workspace } from "./fixtures.ts"
import { type Refusal, refuses } from "./refusal.ts"
import { scoredRows } from "./text-kinds.ts"

const w = workspace()
w.model("bert")
const data = { format: "regression", train: "scored.jsonl", validation: "more.jsonl", target: "stars", maxLength: 16 }
const plan = (model: Record<string, unknown>, more: Record<string, unknown> = {}) =>
  tinyPlan("bert", { model: { source: "bert", ...model }, data: { ...data, ...more } })
const pooler = { task: { kind: "regression", pooling: "pooler" } }

interface Report {
  readonly before: Readonly<Record<string, number>>
  readonly validation: Readonly<Record<string, number>>
  readonly mistakes: ReadonlyArray<Readonly<Record<string, unknown>>>
}

beforeAll(async () => {
  w.write("scored.jsonl", jsonLines(scoredRows(24)))
  w.write("more.jsonl", jsonLines(scoredRows(6, 24)))
  w.write("plan.json", plan({}))
  w.write("both.json", plan(pooler, { target: ["stars", "words"] }))
  await succeed(w.cli(["train", "plan.json", "--out", "runs/one", ...onWasm]))
  await succeed(w.cli(["train", "both.json", "--out", "runs/both", ...onWasm]))
}, TIMEOUT)

test("suggest sees a column of many numbers and says so", async () => {
  const args = ["suggest", "--model", "bert", "--data", "scored.jsonl", "--label", "stars", "--out", "suggested.json"]
  const { stderr } = await succeed(w.cli(args))
  expect(stderr).toContain('the column "stars" has')
  expect(w.json("suggested.json")["data"]).toMatchObject({ format: "regression", target: "stars" })
  expect(w.json("suggested.json")["data"]).not.toHaveProperty("label")
  await succeed(
    w.cli(["suggest", "--model", "bert", "--data", "scored.jsonl", "--target", "stars,words", "--out", "two.json"])
  )
  expect(w.json("two.json")["data"]).toMatchObject({ format: "regression", target: ["stars", "words"] })
})

test("the run's plan keeps the scale of the training rows; scores are in the data's units", () => {
  const values = scoredRows(24).map(({ stars }) => stars)
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)
  const { scaling } = w.json("runs/one/plan.json")["data"] as {
    readonly scaling: Record<string, ReadonlyArray<number>>
  }
  expect(scaling["mean"]![0]).toBeCloseTo(mean, 12)
  expect(scaling["deviation"]![0]).toBeCloseTo(deviation, 12)
  const { validation, before, mistakes } = w.json("runs/one/run.json") as unknown as Report
  // by definition, up to float32 outputs
  expect(validation["mse"]! / deviation ** 2).toBeCloseTo(validation["loss"]!, 5)
  expect(validation["loss"]!).not.toBe(before["loss"]!)
  expect(mistakes).toHaveLength(6)
  expect(mistakes[0]).not.toHaveProperty("probability")
  expect(w.read("runs/one/report.html")).toContain("Largest errors")
})

test("evaluate says what training said; predict says numbers", async () => {
  const { stdout } = await succeed(w.cli(["evaluate", "runs/one", "--json", ...onWasm]))
  const { validation } = w.json("runs/one/run.json") as unknown as Report
  expect(jsonObjects(stdout)[0]).toMatchObject({ mse: validation["mse"], spearman: validation["spearman"] })
  const ask = ["predict", "runs/both", "the film is good", "--json", ...onWasm]
  const [both] = jsonObjects((await succeed(w.cli(ask))).stdout)
  expect(both!["label"]).toMatch(/^stars [\d.-]+, words [\d.-]+$/)
  expect(Object.keys(both!["values"] as object)).toEqual(["stars", "words"])
  const words = await succeed(w.cli(["predict", "runs/one", "the film is good", ...onWasm]))
  expect(words.stdout).toMatch(/^[\d.-]+\tthe film is good\n$/)
})

test("a merged model's outputs are in the data's units: its own class says it is a regression", async () => {
  const { stdout } = await succeed(w.cli(["merge", "runs/both", ...onWasm]))
  expect(stdout).toMatch(/differ.* at most \d(\.\d)?e-\d/)
  const config = w.json("runs/both/merged/config.json")
  expect(config).toMatchObject({
    architectures: ["BertForSequenceClassification"],
    problem_type: "regression",
    id2label: { 0: "stars", 1: "words" }
  })
  const { scaling } = w.json("runs/both/plan.json")["data"] as {
    readonly scaling: Record<string, ReadonlyArray<number>>
  }
  const trained = (await tensorsIn(w, "runs/both/adapter/adapter_model.safetensors")).get(
    "base_model.model.classifier.bias"
  )!
  const merged = (await tensorsIn(w, "runs/both/merged/model.safetensors")).get("classifier.bias")!
  const expected = Array.from(
    trained.data as Float32Array,
    (b, i) => b * scaling["deviation"]![i]! + scaling["mean"]![i]!
  )
  // float32: 7 digits
  for (const [i, value] of expected.entries()) expect((merged.data as Float32Array)[i]).toBeCloseTo(value, 5)
  await succeed(w.cli(["merge", "runs/one", ...onWasm]))
  expect((await tensorsIn(w, "runs/one/merged/head.safetensors")).get("weight")!.shape).toEqual([1, 32])
})

const trainOn = (rows: ReadonlyArray<unknown>, more: Record<string, unknown> = {}) => {
  w.write("broken.jsonl", jsonLines(rows))
  w.write("broken.json", plan({}, { train: "broken.jsonl", ...more }))
  return ["validate", "broken.json"]
}

const cases: ReadonlyArray<Refusal> = [
  {
    name: "targets that are no numbers",
    args: () =>
      trainOn([{ text: "a", stars: "3,5" }, { text: "b", stars: null }, { text: "c" }, { text: "d", stars: 1 }]),
    says: [
      'broken.jsonl:1: the target "stars" is "3,5", expected a number such as 3.5',
      'broken.jsonl:2: the target "stars" is null, expected a number',
      'broken.jsonl:3: no target field "stars" (found: text)'
    ]
  },
  {
    name: "a target that float32 does not hold",
    args: () => trainOn([{ text: "a", stars: 1e60 }]),
    says: ['broken.jsonl:1: the target "stars" is too large, expected a number such as 3.5']
  },
  {
    name: "scales of another number of targets",
    args: () => trainOn(scoredRows(4), { target: ["stars", "words"], scaling: { mean: [1], deviation: [1] } }),
    says: ["data.scaling: found 1 means and 1 deviations for 2 targets; expected one of each per target, or no scaling"]
  },
  {
    name: "no column",
    args: () => trainOn(scoredRows(4), { target: [] }),
    says: ["data.target", "expected a column name, or a list of distinct column names"]
  }
]
refuses("rows of numbers", w, cases)

test("numbers that are all the same, and texts in text files", async () => {
  w.write("same.csv", "text,stars\nthe film,3\nthe plot, 3.0\n")
  w.write("same.json", plan({}, { train: "same.csv" }))
  const { stdout } = await succeed(w.cli(["validate", "same.json"]))
  expect(stdout).toContain('the target "stars" is 3 in every row, so the model cannot learn it')
})
