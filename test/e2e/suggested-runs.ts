/** What tests of `suggest` share: rows of every kind, and that what is suggested for them is validated and trained as it is. */
import { beforeAll, describe, expect, test } from "bun:test"
import { join } from "node:path"
import { chats, completions, decoder, preferences, texts } from "./causal-workspace.ts"
import { jsonLines, onWasm, repository, succeed, TIMEOUT, type Workspace } from "./fixtures.ts"
import { labelledRows, t5 } from "./seq2seq-workspace.ts"

export const digits = join(repository, "examples", "models", "digits")

/** Grey pictures of 28 × 28; the same ones every time. */
const picture = (i: number) =>
  Array.from({ length: 28 }, (_, y) => Array.from({ length: 28 }, (_, x) => (i * 31 + y * 17 + x * 7) % 256))
const pictures = (count: number) => Array.from({ length: count }, (_, i) => ({ pixels: picture(i), digit: i % 10 }))

const questions = completions(30).map(({ prompt, completion }) => ({ question: prompt, answer: completion }))

/** Writes models and rows before the tests of a file. */
export const writeRowsOfEveryKind = (w: Workspace) =>
  beforeAll(() => {
    decoder(w, "llama")
    t5(w)
    w.model("bert")
    w.write("chats.jsonl", jsonLines(chats(30)))
    w.write(
      "questions.csv",
      `question,answer\n${questions.map(({ question, answer }) => `${question},${answer}`).join("\n")}\n`
    )
    w.write("texts.jsonl", jsonLines(texts(40)))
    w.write("pairs-of-answers.jsonl", jsonLines(preferences(16)))
    w.write("pictures.jsonl", jsonLines(pictures(20)))
    w.write("read-and-written.jsonl", jsonLines(labelledRows(30)))
    w.write("labelled.csv", "text,label\nthe film is good,good\n")
  })

interface Plan {
  readonly data: Readonly<Record<string, unknown>>
  readonly training: { readonly steps: number }
}

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
    data: {
      format: "chat",
      messages: [
        { role: "user", content: "{question}" },
        { role: "assistant", content: "{answer}" }
      ],
      packing: false
    }
  },
  {
    name: "pairs of answers",
    model: "llama",
    rows: "pairs-of-answers.jsonl",
    data: { format: "preference", validation: 0.2, maxLength: 32 }
  },
  {
    name: "texts with targets",
    model: "t5",
    rows: "read-and-written.jsonl",
    data: { format: "seq2seq", validation: 0.2, source: "source", target: "target", maxTargetLength: 16 }
  },
  { name: "texts", model: "llama", rows: "texts.jsonl", data: { format: "text", text: "text", packing: true } },
  {
    name: "rows of numbers",
    model: digits,
    rows: "pictures.jsonl",
    data: { format: "arrays", input: "pixels", label: "digit", scale: 1 / 255, validation: 0.2 }
  }
]

/** The rows whose plan the fast tests train. */
export const quick = ["questions and answers"]
export const others = kinds.map(({ name }) => name).filter((name) => !quick.includes(name))

export const testSuggested = (w: Workspace, names: ReadonlyArray<string>) =>
  describe("what is suggested is what is trained:", () => {
    for (const { name, model, rows, data } of kinds.filter((kind) => names.includes(kind.name))) {
      test(
        name,
        async () => {
          // in a folder of its own: paths are those of where the plan stands
          const file = `plans/${rows}.json`
          w.write("plans/README", "")
          const args = ["suggest", "--why", "--model", model, "--data", rows]
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
