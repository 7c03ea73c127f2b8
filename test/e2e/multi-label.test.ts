/** Texts with any number of labels from `suggest` to a merged model, and the thresholds that are settled in between. */
import { beforeAll, expect, test } from "bun:test"
import { jsonLines, jsonObjects, onWasm, succeed, TIMEOUT, tinyPlan, workspace } from "./fixtures.ts"
import { type Refusal, refuses } from "./refusal.ts"
import { topicRows } from "./text-kinds.ts"

const w = workspace()
w.model("bert")
const data = { format: "multi-label", train: "topics.jsonl", validation: "more.jsonl", maxLength: 16 }
const plan = (model: Record<string, unknown>, more: Record<string, unknown> = {}) =>
  tinyPlan("bert", { model: { source: "bert", ...model }, data: { ...data, ...more } })
const pooler = { task: { kind: "multi-label", pooling: "pooler" } }
const columns = topicRows(24).map(
  ({ text, labels }) => `${text},${Number(labels.includes("praise"))},${labels.includes("craft")}`
)

beforeAll(async () => {
  w.write("topics.jsonl", jsonLines(topicRows(24)))
  w.write("more.jsonl", jsonLines(topicRows(6, 24)))
  w.write("columns.csv", `text,praise,craft\n${columns.join("\n")}\n`)
  w.write("plan.json", plan({}))
  w.write(
    "columns.json",
    plan(pooler, { train: "columns.csv", validation: undefined, labelColumns: ["praise", "craft"] })
  )
  await succeed(w.cli(["train", "plan.json", "--out", "runs/lists", ...onWasm]))
  await succeed(w.cli(["train", "columns.json", "--out", "runs/columns", ...onWasm]))
}, TIMEOUT)

test("suggest sees lists of labels", async () => {
  const { stderr } = await succeed(
    w.cli(["suggest", "--model", "bert", "--data", "topics.jsonl", "--out", "suggested.json"])
  )
  expect(stderr).toContain('the column "labels" holds lists of labels')
  expect(w.json("suggested.json")["data"]).toMatchObject({ format: "multi-label", train: "topics.jsonl" })
  const args = ["--model", "bert", "--data", "columns.csv", "--label-columns", "praise,craft", "--out", "columned.json"]
  await succeed(w.cli(["suggest", ...args]))
  expect(w.json("columned.json")["data"]).toMatchObject({ format: "multi-label", labelColumns: ["praise", "craft"] })
})

test("thresholds are settled on the validation rows and lie beside the adapter; without such rows they are ½", async () => {
  const thresholds = w.json("runs/lists/adapter/thresholds.json") as Record<string, number>
  expect(Object.keys(thresholds)).toEqual(["craft", "praise"])
  expect(Object.values(thresholds)).not.toEqual([0.5, 0.5])
  expect(w.json("runs/columns/adapter/thresholds.json")).toEqual({ praise: 0.5, craft: 0.5 })
})

test("evaluate and predict give labels by these thresholds", async () => {
  const { stdout } = await succeed(w.cli(["evaluate", "runs/lists", "--json", ...onWasm]))
  const { validation } = w.json("runs/lists/run.json") as { readonly validation: Record<string, number> }
  expect(jsonObjects(stdout)[0]).toMatchObject({
    microF1: validation["microF1"],
    exactMatch: validation["exactMatch"],
    loss: validation["loss"]
  })
  const thresholds = w.json("runs/lists/adapter/thresholds.json") as Record<string, number>
  const asked = ["predict", "runs/lists", "the cast is good", "the music was bad", "--json", ...onWasm]
  for (const one of jsonObjects((await succeed(w.cli(asked))).stdout)) {
    const { probabilities, labels } = one as {
      readonly probabilities: Record<string, number>
      readonly labels: unknown
    }
    expect(labels).toEqual(Object.keys(thresholds).filter((label) => probabilities[label]! >= thresholds[label]!))
  }
})

test("a merged model is a classifier of several labels; its card has the thresholds", async () => {
  await succeed(w.cli(["merge", "runs/columns", ...onWasm]))
  const config = w.json("runs/columns/merged/config.json")
  expect(config).toMatchObject({ problem_type: "multi_label_classification", id2label: { 0: "praise", 1: "craft" } })
  const { stdout } = await succeed(w.cli(["merge", "runs/lists", ...onWasm]))
  expect(stdout).toMatch(/at most \d(\.\d)?e-\d/)
  const { craft } = w.json("runs/lists/adapter/thresholds.json")
  expect(w.read("runs/lists/merged/README.md")).toContain(`thresholds = {"craft":${craft}`)
})

const trainOn = (rows: ReadonlyArray<unknown>, more: Record<string, unknown> = {}) => {
  w.write("broken.jsonl", jsonLines(rows))
  w.write("broken.json", plan({}, { train: "broken.jsonl", ...more }))
  return ["validate", "broken.json"]
}

const cases: ReadonlyArray<Refusal> = [
  {
    name: "labels that are no list",
    args: () =>
      trainOn([
        { text: "a", labels: 3 },
        { text: "b" },
        { text: "c", labels: [{}] },
        { text: "d", labels: ["x", " "] }
      ]),
    says: [
      'broken.jsonl:1: the labels "labels" are a number, expected a list of labels',
      'broken.jsonl:2: no label field "labels" (found: text)',
      'broken.jsonl:3: the labels "labels" hold an object, expected strings',
      'broken.jsonl:4: the labels "labels" hold a blank one'
    ]
  },
  {
    name: "a column that is neither 1 nor 0",
    args: () => {
      w.write("broken.csv", "text,praise,craft\nthe film,2,yes\n")
      w.write("broken.json", plan({}, { train: "broken.csv", labelColumns: ["praise", "craft"] }))
      return ["validate", "broken.json"]
    },
    says: [
      'broken.csv:2: the label "praise" is "2", expected 1 or 0, true or false',
      'the label "craft" is "yes", expected 1 or 0, true or false'
    ]
  },
  {
    name: "a label that no training row has",
    args: () => trainOn([{ text: "a", labels: ["praise"] }]),
    says: ["more.jsonl:", 'the label "craft" (1 row) is not among the classes; the training rows have "praise"']
  },
  {
    name: "rows without any label",
    args: () => trainOn([{ text: "a", labels: "" }], { validation: undefined }),
    says: ["broken.jsonl", "no row has a label; expected at least one labelled row"]
  },
  {
    name: "labels beside their columns",
    args: () => trainOn(topicRows(3), { labelColumns: ["praise"], labels: ["other"] }),
    says: ["data.labels: labels and labelColumns differ"]
  }
]
refuses("rows of several labels", w, cases)

test("a list may be JSON text or names with a separator", async () => {
  w.write("texts.csv", 'text,labels\nthe film,"[""praise"", ""craft""]"\nthe plot,craft | praise\nthe cast,\n')
  w.write("texts.json", plan({}, { train: "texts.csv", validation: undefined }))
  const { stdout } = await succeed(w.cli(["validate", "texts.json"]))
  expect(stdout).toContain("craft 2 (66.7 %), praise 2 (66.7 %)")
})
