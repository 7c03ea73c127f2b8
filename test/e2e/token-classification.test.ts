/** Words with labels from `suggest` to a merged model: every command as a process, and what is said of wrong rows. */
import { beforeAll, expect, test } from "bun:test"
import { cpSync } from "node:fs"
import { join } from "node:path"
import { jsonLines, jsonObjects, onWasm, repository, succeed, TIMEOUT, tinyPlan, workspace } from "./fixtures.ts"
import { type Refusal, refuses } from "./refusal.ts"
import { taggedRows } from "./text-kinds.ts"

const w = workspace()
w.model("bert")
const plan = (more: Record<string, unknown> = {}, model: Record<string, unknown> = {}) =>
  tinyPlan("bert", {
    model: { source: "bert", task: { kind: "token-classification" }, ...model },
    data: { format: "token-classification", train: "tagged.jsonl", validation: "more.jsonl", maxLength: 16, ...more },
    training: { steps: 30, batchSize: 8 }
  })

interface Span {
  readonly text: string
  readonly start: number
  readonly end: number
  readonly label: string
  readonly score: number
}
const spansIn = (stdout: string) =>
  jsonObjects(stdout) as never as ReadonlyArray<{ readonly text: string; readonly spans: ReadonlyArray<Span> }>

beforeAll(async () => {
  w.write("tagged.jsonl", jsonLines(taggedRows(24)))
  w.write("more.jsonl", jsonLines(taggedRows(6, 24)))
  w.write("plan.json", plan())
  await succeed(w.cli(["train", "plan.json", "--out", "runs/words", ...onWasm]))
}, TIMEOUT)

test("suggest sees lists of words and labels of equal lengths", async () => {
  const args = ["suggest", "--model", "bert", "--data", "tagged.jsonl", "--out", "suggested.json"]
  const { stderr } = await succeed(w.cli(args))
  expect(stderr).toContain('the columns "tokens" and "labels" have lists of equal lengths')
  expect(w.json("suggested.json")["data"]).toMatchObject({ format: "token-classification", train: "tagged.jsonl" })
  w.write("named.jsonl", jsonLines(taggedRows(24).map(({ tokens, labels }) => ({ w: tokens, t: labels }))))
  await succeed(w.cli(["suggest", "--model", "bert", "--data", "named.jsonl", "--out", "named.json"]))
  expect(w.json("named.json")["data"]).toMatchObject({ format: "token-classification", tokens: "w", label: "t" })
})

test("validate counts the rows with each type; the labels are all of the scheme", async () => {
  const { stdout } = await succeed(w.cli(["validate", "plan.json"]))
  expect(stdout).toMatch(/train +24 rows +part 24 \(100\.0 %\), view 24 \(100\.0 %\)/)
  expect(w.json("runs/words/plan.json")["data"]).toMatchObject({
    labels: ["O", "B-part", "I-part", "B-view", "I-view"]
  })
})

test("evaluate gives the scores of the run, of each type too, and predict gives spans that are parts of the text", async () => {
  const { validation } = w.json("runs/words/run.json") as { readonly validation: Record<string, number> }
  const { stdout } = await succeed(w.cli(["evaluate", "runs/words", "--json", ...onWasm]))
  const { f1, loss, types } = jsonObjects(stdout)[0]! as Record<string, unknown>
  expect([f1, loss]).toEqual([validation["f1"], validation["loss"]])
  expect(f1).toBeGreaterThan(0.5)
  expect(Object.keys(types as object)).toEqual(["part", "view"])
  const texts = ["the  plot was very good", "nothing"]
  const predicted = spansIn((await succeed(w.cli(["predict", "runs/words", ...texts, "--json", ...onWasm]))).stdout)
  expect(predicted[0]!.spans.length).toBeGreaterThan(0)
  for (const { text, spans } of predicted)
    for (const span of spans) {
      expect(text.slice(span.start, span.end)).toBe(span.text)
      expect(span.score).toBeGreaterThan(0)
      expect(span.score).toBeLessThanOrEqual(1)
    }
})

test("rows of a file keep their columns; spans are in JSON lines and their text in tables", async () => {
  await succeed(w.cli(["predict", "runs/words", "--data", "more.jsonl", "--out", "said.jsonl", ...onWasm]))
  await succeed(w.cli(["predict", "runs/words", "--data", "more.jsonl", "--out", "said.csv", ...onWasm]))
  const rows = jsonObjects(w.read("said.jsonl"))
  expect(rows.map(({ tokens }) => tokens)).toEqual(taggedRows(6, 24).map(({ tokens }) => tokens))
  expect(Object.keys(rows[0]!)).toEqual(["tokens", "labels", "prediction", "spans"])
  expect(w.read("said.csv").split("\n")[0]).toBe("tokens,labels,prediction")
})

test("a text longer than a window has the spans of its sentences", async () => {
  const sentences = taggedRows(8, 40).map(({ tokens }) => tokens.join(" "))
  const { stdout } = await succeed(w.cli(["predict", "runs/words", sentences.join(" "), "--json", ...onWasm]))
  const [{ text, spans }] = spansIn(stdout) as [ReturnType<typeof spansIn>[number]]
  expect(spans.length).toBeGreaterThan(8)
  expect(spans.every((span) => text.slice(span.start, span.end) === span.text)).toBe(true)
  expect(spans.at(-1)!.start).toBeGreaterThan(text.length * 0.8)
})

test("columns of words and labels in IOB1 train to the bytes of their rows in BIO", async () => {
  const rows = taggedRows(24)
  const inColumns = rows.map(({ tokens, labels }) =>
    tokens.map((word, i) => {
      const [before, label] = [labels[i - 1] ?? "O", labels[i]!]
      return `${word} X ${label.startsWith("B-") && before.slice(2) !== label.slice(2) ? `I${label.slice(1)}` : label}\n`
    })
  )
  // the neighbours of one type that make it IOB1
  w.write("pair.jsonl", jsonLines([...rows, { tokens: ["plot", "cast"], labels: ["B-part", "B-part"] }]))
  w.write(
    "pair.conll",
    `-DOCSTART- X O\n\n${[...inColumns.map((lines) => lines.join("")), "plot X I-part\ncast X B-part\n"].join("\n")}`
  )
  for (const name of ["jsonl", "conll"]) {
    w.write(`${name}.json`, plan({ train: `pair.${name}` }))
    const { stderr } = await succeed(
      w.cli(["train", `${name}.json`, "--out", `runs/${name}`, "--set", "training.steps=3", ...onWasm])
    )
    expect(stderr.includes("the labels are IOB1")).toBe(name === "conll")
  }
  const bytes = await Promise.all(
    ["jsonl", "conll"].map((name) => Bun.file(w.path(`runs/${name}/adapter/adapter_model.safetensors`)).bytes())
  )
  expect(bytes[0]).toEqual(bytes[1]!)
  const { stderr } = await succeed(
    w.cli(["suggest", "--model", "bert", "--data", "pair.conll", "--out", "columns.json"])
  )
  expect(stderr).toContain('"tokens" and "labels"')
})

test("labels may be numbers", async () => {
  const names = ["O", "B-part", "I-part", "B-view", "I-view"]
  const numbered = taggedRows(24).map(({ tokens, labels }) => ({ tokens, labels: labels.map((l) => names.indexOf(l)) }))
  w.write("numbered.jsonl", jsonLines(numbered))
  w.write("numbered.json", plan({ train: "numbered.jsonl", validation: undefined, labels: names }))
  await succeed(w.cli(["train", "numbered.json", "--out", "runs/numbered", ...onWasm]))
  const losses = (run: string) =>
    jsonObjects(w.read(`runs/${run}/metrics.jsonl`)).flatMap(({ kind, loss }) => (kind === "step" ? [loss] : []))
  expect(losses("numbered")).toEqual(losses("words"))
})

test("labels of no scheme are one per word", async () => {
  const rows = taggedRows(24).map(({ tokens, labels }) => ({ tokens, labels: labels.map((l) => l.slice(-4)) }))
  w.write("classes.jsonl", jsonLines(rows))
  w.write("classes.json", plan({ train: "classes.jsonl", validation: 0.25 }))
  await succeed(w.cli(["train", "classes.json", "--out", "runs/classes", ...onWasm]))
  expect(w.json("runs/classes/plan.json")["data"]).toMatchObject({ labels: ["O", "part", "view"] })
  const { validation } = w.json("runs/classes/run.json") as { readonly validation: Record<string, number> }
  expect(validation["f1"]).toBeCloseTo(validation["accuracy"]!, 12)
  const { stdout } = await succeed(w.cli(["predict", "runs/classes", "the plot", "--json", ...onWasm]))
  expect(spansIn(stdout)[0]!.spans.map(({ text }) => text)).toEqual(["the", "plot"])
})

test("a merged model is transformers' class without the pooler of the base; its head may be trained again", async () => {
  const { stdout } = await succeed(w.cli(["merge", "runs/words", ...onWasm]))
  expect(stdout).toMatch(/On \d+ validation words its logits differ .* at most \d(\.\d)?e-\d/)
  const config = w.json("runs/words/merged/config.json")
  expect(config).toMatchObject({ architectures: ["BertForTokenClassification"], id2label: { 0: "O", 4: "I-view" } })
  const header = w.read("runs/words/merged/model.safetensors").slice(8, 20_000)
  expect(header).toContain("bert.encoder.layer.0")
  expect(header).not.toContain("pooler")
  w.write("again.json", plan({}, { source: "runs/words/merged" }))
  const { stdout: validated } = await succeed(w.cli(["validate", "again.json"]))
  expect(validated).toMatch(/tensors of the checkpoint, all of them/)
})

test("an adapter that PEFT wrote labels words", async () => {
  cpSync(join(repository, "test/golden/training/token-heads/adapter"), w.path("peft"), { recursive: true })
  const { stdout } = await succeed(w.cli(["predict", "peft", "the plot was good", "--json", ...onWasm]))
  // labels without names belong to no scheme
  expect(spansIn(stdout)[0]!.spans.map(({ text, label }) => `${text} ${/^LABEL_[0-4]$/.test(label)}`)).toEqual([
    ...["the true", "plot true", "was true", "good true"]
  ])
})

const trainOn = (rows: ReadonlyArray<unknown>, more: Record<string, unknown> = {}) => {
  w.write("broken.jsonl", jsonLines(rows))
  w.write("broken.json", plan({ train: "broken.jsonl", validation: undefined, ...more }))
  return ["validate", "broken.json"]
}

const cases: ReadonlyArray<Refusal> = [
  {
    name: "words and labels that do not match",
    args: () =>
      trainOn([
        { tokens: "a film", labels: ["O", "O"] },
        { tokens: ["a", " "], labels: ["O", "O"] },
        { tokens: ["a", "film"], labels: ["O"] },
        { tokens: ["a"], labels: [""] },
        { tokens: ["a"] },
        { tokens: [], labels: [] },
        { tokens: ["a"], labels: [3] }
      ]),
    says: [
      'broken.jsonl:1: the text "tokens" is a string, expected a list of words',
      'broken.jsonl:2: the text "tokens" has a blank as word 2, expected text',
      'broken.jsonl:3: the labels "labels" are 1, expected one for each of the 2 words',
      'broken.jsonl:4: label 1 of "labels" is blank',
      'broken.jsonl:5: no label field "labels" (found: tokens)',
      'broken.jsonl:6: the text "tokens" has no words',
      'broken.jsonl:7: label 1 of "labels" is the number 3; list the names of the labels in data.labels, in the order of their numbers'
    ]
  },
  {
    name: "sequences that their scheme does not allow",
    args: () =>
      trainOn([
        { tokens: ["a", "b"], labels: ["B-x", "I-x"] },
        { tokens: ["a", "b"], labels: ["O", "I-x"] },
        { tokens: ["a", "b"], labels: ["I-x", "O"] },
        { tokens: ["a", "b"], labels: ["B-x", "I-y"] }
      ]),
    says: [
      'broken.jsonl:2: the label "I-x" of word 2 follows "O", which is impossible in BIO; the first word of an entity has B-',
      'broken.jsonl:3: the label "I-x" of word 1 begins the row, which is impossible in BIO',
      'broken.jsonl:4: the label "I-y" of word 2 follows "B-x"'
    ]
  },
  {
    name: "an entity that does not end",
    args: () =>
      trainOn([
        { tokens: ["a", "b"], labels: ["B-x", "E-x"] },
        { tokens: ["a", "b"], labels: ["O", "B-x"] }
      ]),
    says: ['broken.jsonl:2: the row ends with "B-x", inside an entity (the labels are BIOES)']
  },
  {
    name: "a label that no training row has",
    args: () => trainOn([{ tokens: ["a", "b"], labels: ["B-part", "O"] }], { validation: "more.jsonl" }),
    says: ["more.jsonl:", 'the label "B-view" of word', 'the training rows have "O", "B-part", "I-part"']
  },
  {
    name: "a number beyond the names",
    args: () => trainOn([{ tokens: ["a"], labels: [2] }], { labels: ["O", "B-x"] }),
    says: ['broken.jsonl:1: label 1 of "labels" is 2, expected an index into the 2 data.labels, from 0']
  },
  {
    name: "a row without words for predictions",
    args: () => {
      w.write("asked.jsonl", jsonLines([{ words: ["a"] }]))
      return ["predict", "runs/words", "--data", "asked.jsonl", "--out", "asked-out.jsonl", ...onWasm]
    },
    says: ['asked.jsonl:1: has neither "tokens" nor "text"; expected a list of words or a text']
  }
]
refuses("rows of labelled words", w, cases)
