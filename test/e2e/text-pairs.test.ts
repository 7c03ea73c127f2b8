/** Pairs of texts from `suggest` to a merged model: what is trained on two texts is asked with two. */
import { beforeAll, expect, test } from "bun:test"
import { jsonLines, jsonObjects, onWasm, succeed, TIMEOUT, tinyPlan, workspace } from "./fixtures.ts"
import { type Refusal, refuses } from "./refusal.ts"
import { pairRows } from "./text-kinds.ts"

const w = workspace()
w.model("bert")
const data = {
  format: "classification",
  train: "pairs.jsonl",
  validation: "more.jsonl",
  text: "premise",
  textPair: "hypothesis",
  maxLength: 16
}
const pair = { premise: "the film is good", hypothesis: "the plot was dull and the cast very bad" }
const predict = (args: ReadonlyArray<string>, stdin?: string) =>
  succeed(w.cli(["predict", "runs/pairs", ...args, "--json", ...onWasm], stdin))

beforeAll(async () => {
  w.write("pairs.jsonl", jsonLines(pairRows(24)))
  w.write("more.jsonl", jsonLines(pairRows(6, 24)))
  w.write("plan.json", tinyPlan("bert", { data }))
  await succeed(w.cli(["train", "plan.json", "--out", "runs/pairs", ...onWasm]))
}, TIMEOUT)

test("suggest sees two texts", async () => {
  const args = ["suggest", "--model", "bert", "--data", "pairs.jsonl", "--out", "suggested.json"]
  const { stderr } = await succeed(w.cli(args))
  expect(stderr).toContain('data.textPair: "hypothesis"')
  expect(w.json("suggested.json")["data"]).toMatchObject({ text: "premise", textPair: "hypothesis" })
})

test("a pair is asked as an argument or a line of JSON, and the second text counts", async () => {
  const [one] = jsonObjects((await predict([JSON.stringify(pair)])).stdout)
  expect(one).toMatchObject({ text: pair.premise, textPair: pair.hypothesis })
  const lines = jsonLines([{ ...pair, premise: pair.hypothesis, hypothesis: pair.premise }, pair])
  const [turned, again] = jsonObjects((await predict([], lines)).stdout)
  expect(again).toMatchObject({ label: one!["label"], text: pair.premise })
  expect(turned!["logits"]).not.toEqual(again!["logits"])
})

test("the report and the model card show both texts, the last line says how a pair is asked", async () => {
  expect(w.json("runs/pairs/run.json")["mistakes"]).toContainEqual(
    expect.objectContaining({ text: expect.any(String), textPair: expect.any(String) })
  )
  expect(w.read("runs/pairs/report.html")).toContain("predict runs/pairs &#39;{&quot;premise&quot;")
  expect(w.read("runs/pairs/adapter/README.md")).toContain('tokenizer(["a text"], ["the other"], padding=True')
  await succeed(w.cli(["merge", "runs/pairs", ...onWasm]))
  expect(w.read("runs/pairs/merged/README.md")).toContain('tokenizer(["your text"], ["the other"], return_tensors')
})

const cases: ReadonlyArray<Refusal> = [
  {
    name: "a text where two are asked for",
    args: () => ["predict", "runs/pairs", "the film is good", ...onWasm],
    says: ['found "the film is good"', 'expected an object such as {"premise": "…", "hypothesis": "…"}']
  },
  {
    name: "a pair without its second text",
    args: () => ["predict", "runs/pairs", '{"premise": "the film"}', ...onWasm],
    says: ['no column "hypothesis" (found: premise)']
  },
  {
    name: "rows without a second text",
    args: () => {
      const rows = [
        { premise: "the film", label: "same" },
        { ...pair, hypothesis: " ", label: "same" }
      ]
      w.write("broken.jsonl", jsonLines([...rows, { ...pair, label: "same" }]))
      w.write("broken.json", tinyPlan("bert", { data: { ...data, train: "broken.jsonl" } }))
      return ["validate", "broken.json"]
    },
    says: ['broken.jsonl:1: no text field "hypothesis"', 'broken.jsonl:2: the text "hypothesis" is blank']
  }
]
refuses("pairs", w, cases)

test("rows repeat each other where both texts are the same", async () => {
  const rows = [pair, { ...pair, hypothesis: "the music" }, pair].map((row) => ({ ...row, label: "same" }))
  w.write("repeats.jsonl", jsonLines([...rows, { ...pair, label: "other" }]))
  w.write("repeats.json", tinyPlan("bert", { data: { ...data, train: "repeats.jsonl", validation: undefined } }))
  const { stdout } = await succeed(w.cli(["validate", "repeats.json"]))
  expect(stdout).toContain("2 of 4 rows repeat the text of an earlier row")
  expect(stdout).toContain("1 of 4 rows have the same text as an earlier row but another label")
})
