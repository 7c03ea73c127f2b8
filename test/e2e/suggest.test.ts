/** `suggest` for rows of every kind: what it prints is validated and trained as it is, and what is wrong is one message. */
import { beforeAll, describe, expect, test } from "bun:test"
import { join } from "node:path"
import { chats, completions, decoder, preferences, texts } from "./causal-workspace.ts"
import { jsonLines, onWasm, repository, succeed, TIMEOUT, workspace } from "./fixtures.ts"
import { refuses } from "./refusal.ts"

const w = workspace()
const digits = join(repository, "examples", "models", "digits")

/** Grey pictures of 28 × 28; the same ones every time. */
const picture = (i: number) =>
  Array.from({ length: 28 }, (_, y) => Array.from({ length: 28 }, (_, x) => (i * 31 + y * 17 + x * 7) % 256))
const pictures = (count: number) => Array.from({ length: count }, (_, i) => ({ pixels: picture(i), digit: i % 10 }))

const questions = completions(30).map(({ prompt, completion }) => ({ question: prompt, answer: completion }))

beforeAll(() => {
  decoder(w, "llama")
  w.model("bert")
  w.write("chats.jsonl", jsonLines(chats(30)))
  w.write(
    "questions.csv",
    `question,answer\n${questions.map(({ question, answer }) => `${question},${answer}`).join("\n")}\n`
  )
  w.write("texts.jsonl", jsonLines(texts(40)))
  w.write("pairs-of-answers.jsonl", jsonLines(preferences(16)))
  w.write("pictures.jsonl", jsonLines(pictures(20)))
  w.write("labelled.csv", "text,label\nthe film is good,good\n")
})

interface Plan {
  readonly data: Readonly<Record<string, unknown>>
  readonly training: { readonly steps: number }
}

describe("what is suggested is what is trained:", () => {
  const kinds: ReadonlyArray<{
    readonly name: string
    readonly model: string
    readonly rows: string
    readonly data: Readonly<Record<string, unknown>>
  }> = [
    {
      name: "conversations",
      model: "llama",
      rows: "chats.jsonl",
      data: { format: "chat", validation: 0.2, mapping: "openai", packing: false }
    },
    {
      name: "questions and answers",
      model: "llama",
      rows: "questions.csv",
      data: { format: "completion", prompt: "question", completion: "answer", packing: false }
    },
    {
      name: "pairs of answers",
      model: "llama",
      rows: "pairs-of-answers.jsonl",
      data: { format: "preference", validation: 0.2, maxLength: 32 }
    },
    { name: "texts", model: "llama", rows: "texts.jsonl", data: { format: "text", text: "text", packing: true } },
    {
      name: "rows of numbers",
      model: digits,
      rows: "pictures.jsonl",
      data: { format: "arrays", input: "pixels", label: "digit", scale: 1 / 255, validation: 0.2 }
    }
  ]
  for (const { name, model, rows, data } of kinds) {
    test(
      name,
      async () => {
        // in a folder of its own: paths are those of where the plan stands
        const file = `plans/${rows}.json`
        w.write("plans/README", "")
        const args = ["suggest", "--model", model, "--data", rows]
        const { stdout, stderr } = await succeed(w.cli([...args, "--out", file]))
        expect(stdout).toBe("")
        expect(stderr).toMatch(/data\.format: "\w+"\n {4}\S/)
        const plan = w.json(file) as unknown as Plan
        expect(plan.data).toMatchObject({ ...data, train: `../${rows}` })
        await succeed(w.cli(["validate", file]))
        await succeed(w.cli(["train", file, "--out", `runs/${rows}`, ...onWasm]))
        const report = w.json(`runs/${rows}/run.json`) as unknown as {
          readonly steps: number
          readonly before: { readonly loss: number }
          readonly validation: { readonly loss: number }
        }
        expect(report.steps).toBe(plan.training.steps)
        expect(report.validation.loss).toBeLessThan(report.before.loss)

        // the plan as what is given: the same again
        const { stdout: again } = await succeed(w.cli(["suggest", file, "--json"]))
        const { plan: second } = JSON.parse(again) as { readonly plan: Plan }
        expect(second.training).toEqual(plan.training)
      },
      TIMEOUT
    )
  }
})

const of = (model: string, rows: string, ...more: ReadonlyArray<string>) => [
  "suggest",
  ...["--model", model, "--data", rows],
  ...more
]

refuses("suggest", w, [
  {
    name: "a file of no rows",
    args: () => of("llama", w.write("empty.jsonl", "\n")),
    says: ["empty.jsonl: the file has no rows; at least one is needed"]
  },
  {
    name: "a file that is no data",
    args: () => of("llama", w.write("notes.txt", "not data")),
    says: [
      "notes.txt: the extension .txt tells no format",
      "expected .jsonl, .ndjson (one object a line), .csv or .tsv"
    ]
  },
  {
    name: "lines that are no objects",
    args: () => of("llama", w.write("lines.jsonl", "not JSON\n")),
    says: ["lines.jsonl:1: not JSON"]
  },
  {
    name: "columns of no known form",
    args: () => of("llama", w.write("pairs.jsonl", jsonLines([{ left: "a", right: "b" }]))),
    says: ["pairs.jsonl: found the columns left, right", "expected messages or conversations", "--prompt"]
  },
  {
    name: "a column that is not there",
    args: () => of("llama", "questions.csv", "--prompt", "qestion", "--completion", "answer"),
    says: ['no column "qestion" (found: question, answer; did you mean "question"?)']
  },
  {
    name: "a column of another kind",
    args: () => of("llama", "texts.jsonl", "--label", "label"),
    says: ['texts.jsonl: found --label for this model and these rows, which make data.format "text"', "expected --text"]
  },
  {
    name: "a language model and rows that are both missing",
    args: () => of("nowhere.gguf", "nowhere.jsonl"),
    says: ["model nowhere.gguf: no such file", "\n  nowhere.jsonl: there is no such file"]
  },
  {
    name: "a folder that is no model",
    args: () => {
      w.write("folder/notes.txt", "")
      return of("folder", "labelled.csv")
    },
    says: ["folder/config.json", "expected a Hugging Face folder"]
  },
  {
    name: "a GGUF file that is none",
    args: () => of(w.write("nonsense.gguf", "nonsense"), "chats.jsonl"),
    says: ["nonsense.gguf", "not a GGUF file"]
  },
  {
    name: "a model of another kind",
    args: () => {
      decoder(w, "llama", "other")
      w.write("other/config.json", { model_type: "t5" })
      return of("other", "chats.jsonl")
    },
    says: ['config.json: model_type "t5"', "supported are llama"]
  },
  {
    name: "a config.json that says no model",
    args: () => of(w.write("none/config.json", {}).replace("/config.json", ""), "chats.jsonl"),
    says: ["none: model.safetensors: no such file"]
  },
  {
    name: "a model.json that is none",
    args: () => of(w.write("broken/model.json", {}), "pictures.jsonl"),
    says: ["found no modelTopology and weightsManifest"]
  },
  {
    name: "rows of numbers without numbers",
    args: () => of(digits, "chats.jsonl"),
    says: ["chats.jsonl: no column holds a list of numbers in every row: name it with --input"]
  },
  {
    name: "rows of numbers in CSV",
    args: () => of(digits, "labelled.csv"),
    says: ["labelled.csv: no column holds a list of numbers in every row: name it with --input"]
  },
  {
    name: "numbers of another size",
    args: () => of(digits, w.write("small.jsonl", jsonLines([{ pixels: [1, 2], digit: 3 }]))),
    says: ['small.jsonl:1: the input "pixels" has 2 numbers, expected 784']
  },
  {
    name: "conversations for an encoder",
    args: () => of("bert", "chats.jsonl"),
    says: ["chats.jsonl", "name it with --text and --label (found: messages)"]
  }
])
