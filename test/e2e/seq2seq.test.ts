/** Plans over texts with targets, from the plan to what a run leaves: trained, evaluated, written with, and wrong ones refused. */
import { beforeAll, describe, expect, test } from "bun:test"
import { jsonLines, jsonObjects, onWasm, succeed, TIMEOUT, workspace } from "./fixtures.ts"
import { refuses } from "./refusal.ts"
import { labelledRows, seq2seqPlan, t5, writeSourceTargets } from "./seq2seq-workspace.ts"

const w = workspace()

beforeAll(() => {
  t5(w)
  writeSourceTargets(w)
})

interface Scores {
  readonly loss: number
  readonly exactMatch: number
  readonly macroF1: number
  readonly tokenAccuracy: number
  readonly rows: number
}
type Report = Readonly<Record<"before" | "validation" | "test", Scores>> & {
  readonly mistakes: ReadonlyArray<object>
  readonly baseline: Readonly<Record<"test", object>>
}
const reportOf = (folder: string) => w.json(`${folder}/run.json`) as never as Report

describe("a finished run", () => {
  let out: string
  beforeAll(async () => {
    w.write("plan.json", seq2seqPlan("t5"))
    const { stdout } = await succeed(w.cli(["train", "plan.json", "--out", "runs/finished", ...onWasm]))
    out = stdout
  }, TIMEOUT)

  test("has learned to write the label of a sentence, where always the same one is right in a third", () => {
    const { before, test, baseline } = reportOf("runs/finished")
    expect(before).toMatchObject({ exactMatch: 0, macroF1: 0, rows: 9 })
    expect(test.exactMatch).toBeGreaterThan(0.7)
    expect(test.macroF1).toBeGreaterThan(0.6)
    // the end token is right everywhere, the word before it where the target is
    expect(test.tokenAccuracy).toBeCloseTo((1 + test.exactMatch) / 2, 8)
    expect(test.loss).toBeLessThan(before.loss / 2)
    expect(baseline.test).toEqual({
      of: "always “bad”, the most frequent target",
      scores: { exactMatch: 1 / 3, macroF1: 1 / 6 }
    })
  })

  test("says what it gained and what to do next, and its plan has the targets", () => {
    expect(out).toMatch(/Gained on test: exact match 0\.0 % → \d+\.\d %, loss 4\.\d+ → \d\.\d+/)
    expect(out).toContain('generate runs/finished "your text"')
    expect(w.json("runs/finished/plan.json") as object).toMatchObject({ data: { targets: ["bad", "fair", "good"] } })
    const card = w.read("runs/finished/adapter/README.md")
    for (const part of ["pipeline_tag: text-generation", "AutoModelForSeq2SeqLM", "one of bad, fair, good"])
      expect(card).toContain(part)
    expect(w.json("runs/finished/adapter/adapter_config.json") as object).toMatchObject({ task_type: "SEQ_2_SEQ_LM" })
  })

  test(
    "evaluates as its report says; rows with a target outside of the closed set have no macro-F1",
    async () => {
      const of = async (...more: ReadonlyArray<string>) => {
        const { stdout } = await succeed(w.cli(["evaluate", "runs/finished", "--json", ...more, ...onWasm]))
        return jsonObjects(stdout)
      }
      const { validation, test } = reportOf("runs/finished")
      expect(await of()).toEqual([validation as never, test as never])
      expect(await of("--data", "pairs-test.jsonl")).toEqual([{ ...test, data: "pairs-test.jsonl" } as never])
      w.write("others.jsonl", jsonLines([...labelledRows(9, 54), { source: "the plot is bad", target: "very bad" }]))
      const [{ exactMatch, macroF1, rows }] = (await of("--data", "others.jsonl")) as never as readonly [Scores]
      expect(macroF1).toBeUndefined()
      expect([exactMatch * rows, rows]).toEqual([test.exactMatch * 9, 10])
    },
    TIMEOUT
  )

  test(
    "writes for texts what it predicts for them and for rows of a file, by beams too",
    async () => {
      const texts = labelledRows(9, 54)
      const sources = texts.map(({ source }) => source)
      const { stdout: predicted } = await succeed(w.cli(["predict", "runs/finished", ...sources, "--json", ...onWasm]))
      const labels = jsonObjects(predicted).map(({ label }) => label)
      const right = labels.filter((label, i) => label === texts[i]!.target).length
      expect(right / 9).toBeCloseTo(reportOf("runs/finished").test.exactMatch, 8)
      const { stdout: plain } = await succeed(w.cli(["generate", "runs/finished", ...sources, ...onWasm]))
      expect(plain).toBe(`${labels.join("\n")}\n`)
      const { stdout: beams } = await succeed(
        w.cli(["generate", "runs/finished", sources[0]!, "--beams", "3", "--json", ...onWasm])
      )
      expect(jsonObjects(beams)).toEqual([{ prompt: sources[0]!, text: labels[0], tokens: 1, finish: "eos" }])
      await succeed(w.cli(["predict", "runs/finished", "--data", "pairs-test.jsonl", "--out", "out.csv", ...onWasm]))
      expect(w.read("out.csv").split("\n").slice(0, 2)).toEqual([
        "source,target,prediction",
        `${sources[0]},${texts[0]!.target},${labels[0]}`
      ])
    },
    TIMEOUT
  )
})

test(
  "validate says what is cut, what cannot be written, and shows a row as the model sees it",
  async () => {
    w.write(
      "cut.jsonl",
      jsonLines([
        { source: "the plot is bad and the cast is bad", target: "very very very bad" },
        { source: "fine", target: "ünknown" }
      ])
    )
    w.write(
      "cut.json",
      seq2seqPlan("t5", { data: { format: "seq2seq", train: "cut.jsonl", maxLength: 6, maxTargetLength: 3 } })
    )
    const { stdout } = await succeed(w.cli(["validate", "cut.json"]))
    for (const part of [
      "50.0 % of the input texts are longer than data.maxLength, 6 tokens, and are truncated",
      "50.0 % of the targets are longer than data.maxTargetLength, 3 tokens, and are truncated, so these cannot be generated in full",
      "cannot represent 1 of the 2 targets exactly",
      "the plot is bad and </s>⟦very very </s>⟧"
    ])
      expect(stdout).toContain(part)
  },
  TIMEOUT
)

const training = (sections: Record<string, unknown> = {}, source = "t5") => {
  w.write("wrong.json", seq2seqPlan(source, sections))
  return ["train", "wrong.json", ...onWasm]
}

refuses("plans over texts with targets", w, [
  {
    name: "broken rows, all at once",
    args: () => {
      w.write("wrong.jsonl", jsonLines([{ source: "a", target: " " }, { source: "a" }, { text: "a", target: "b" }]))
      return training({ data: { format: "seq2seq", train: "wrong.jsonl" } })
    },
    says: [
      'wrong.jsonl:1: the target "target" is blank',
      'wrong.jsonl:2: no target field "target" (found: source)',
      'wrong.jsonl:3: no text field "source" (found: text, target)'
    ]
  },
  {
    name: "a model without a decoder",
    args: () => training({}, w.model("bert")),
    says: ['model_type "bert"', "supported are t5, mt5"]
  },
  {
    name: "a model without a tokenizer",
    args: () => {
      t5(w, "t5", "bare")
      w.write("bare/tokenizer.json", "")
      return training({}, "bare")
    },
    says: ["tokenizer.json"]
  },
  {
    name: "a LayersModel",
    args: () => training({}, "model.json"),
    says: ['found "seq2seq" with model.source "model.json", a tf.LayersModel; set data.format to "arrays"']
  },
  {
    name: "a head where there is none",
    args: () => training({ adapter: { method: "none" } }),
    says: ["an encoder-decoder, which has no head"]
  },
  {
    name: "a metric of another kind to stop by",
    args: () => training({ training: { steps: 4, batchSize: 4, stopEarly: { metric: "accuracy" } } }),
    says: ["training.stopEarly.metric", '"exactMatch", "macroF1", "tokenAccuracy", "loss"']
  },
  {
    name: "sampling from it",
    args: () => ["generate", "runs/finished", "a text", "--temperature", "0.5", "--top-k", "3", ...onWasm],
    says: ["--temperature, --top-k", "--beams"]
  },
  {
    name: "a conversation with it",
    args: () => ["chat", "runs/finished", ...onWasm],
    says: ['is of data.format "seq2seq", whose models do not continue texts', "use generate"]
  }
])

test(
  "a plan is suggested by the columns that rows have",
  async () => {
    const rows = {
      "sources.jsonl": labelledRows(30),
      "questions.jsonl": labelledRows(30).map(({ source, target }) => ({ question: source, answer: target })),
      "labels.jsonl": labelledRows(30).map(({ source, target }) => ({ text: source, label: target })),
      "languages.jsonl": labelledRows(30).map(({ source, target }) => ({ en: source, de: target }))
    }
    const columns = {
      "sources.jsonl": "source, target",
      "questions.jsonl": "question, answer",
      "labels.jsonl": "text, label",
      "languages.jsonl": "en, de"
    }
    for (const [name, some] of Object.entries(rows)) {
      w.write(name, jsonLines(some))
      const { stdout } = await succeed(w.cli(["suggest", "--model", "t5", "--data", name, "--json"]))
      const [{ plan }] = jsonObjects(stdout) as never as readonly [
        { readonly plan: { readonly data: Record<string, unknown> } }
      ]
      const { format, source = "source", target = "target", maxTargetLength } = plan.data
      expect([format, `${source}, ${target}`, maxTargetLength]).toEqual([
        "seq2seq",
        columns[name as keyof typeof columns],
        16
      ])
    }
    const wrong = await w.cli([
      "suggest",
      "--model",
      "t5",
      "--data",
      w.write("none.jsonl", jsonLines([{ a: "b", c: "d" }]))
    ])
    expect(wrong.stderr).toContain("name the columns with --source and --target")
  },
  TIMEOUT
)
