/**
 * Suites: rows of questions with the way to ask them, and the scorer of the answers, as a JSON document.
 *
 *   { "name": "capitals", "rows": "capitals.jsonl", "prompt": "Question: {question}\nAnswer:", "answer": "{capital}",
 *     "shots": { "rows": "capitals-train.jsonl", "count": 4 }, "stop": ["\n"], "scorer": "exact" }
 */
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { choice, count, list, schemaKey, text, withDefault } from "./fields.ts"
import { columnOrText } from "./kinds/causal.ts"
import { column } from "./kinds/plan.ts"
import { decodeOptions } from "./options.ts"
import { type PlanProblem, rule } from "./problems.ts"

/** Names of the scorers that a suite may name. */
export const scorerNames = ["exact", "choice", "number", "gsm8k", "json", "python", "javascript", "typescript"] as const
/** Name of a scorer. */
export type ScorerName = (typeof scorerNames)[number]

const rowsOf = (what: string) =>
  text(
    "a data file or hf:datasets/owner/name",
    `${what}: a data file, relative to the suite's own; or a data set of the Hugging Face Hub, hf:datasets/owner/name/config/split.`
  )

/** Schema of solved rows before each question. */
export const Shots = Schema.Struct({
  rows: rowsOf("Rows to show with their answers"),
  count: count(1, "Number of rows to show, from the first.", "rows")
}).annotate({
  expected: "{ rows, count }",
  description: "Rows shown with their answers before each question. A row that is asked itself is left out."
})

/** Schema of a suite. */
export const Suite = Schema.Struct({
  $schema: schemaKey,
  name: text("a name", "Name of the suite in reports."),
  description: Schema.optionalKey(text("a sentence", "What the suite measures.")),
  citation: Schema.optionalKey(text("a citation", "Paper or page that the rows come from.")),
  licence: Schema.optionalKey(text("a licence", "Licence of the rows.")),
  rows: rowsOf("Rows to ask"),
  prompt: Schema.optionalKey(columnOrText("Question to a row")),
  answer: Schema.optionalKey(columnOrText("Expected answer to a row")),
  messages: Schema.optionalKey(
    column(
      'Column with a conversation in place of prompt and answer: its last message, the assistant\'s, is the expected answer; needs "form": "chat".'
    )
  ),
  form: choice(
    ["text", "chat"],
    "Whether the prompt is continued as a text, or is what the user says in a conversation with the model's chat template."
  ).pipe(withDefault("text")),
  system: Schema.optionalKey(text("a system message", 'System message of conversations; needs "form": "chat".')),
  shots: Schema.optionalKey(Shots),
  stop: list(
    text("a text that ends answers", "Text that ends an answer; it is not part of it."),
    "a list of texts that end answers",
    "Texts that end an answer."
  ).pipe(withDefault([])),
  maxNewTokens: count(1, "Most tokens of an answer.", "tokens").pipe(withDefault(256)),
  scorer: choice(scorerNames, "Scorer of the answers.")
}).annotate({
  title: "Suite",
  description: "Rows of questions with the way to ask them, and the scorer of the answers."
})
/** A decoded suite, with all defaults filled in. */
export type Suite = typeof Suite.Type
/** A suite as written in code or a file: fields with a default may be left out. */
export type SuiteInput = typeof Suite.Encoded

const promptOrMessages = rule<Suite>("prompt-or-messages", "prompt", ({ prompt, answer, messages }) => {
  const texts = [prompt, answer].filter((column) => column !== undefined).length
  return texts === (messages === undefined ? 2 : 0)
    ? undefined
    : `expected either prompt and answer, or messages; found ${
        Object.entries({ prompt, answer, messages })
          .flatMap(([name, value]) => (value === undefined ? [] : [name]))
          .join(" and ") || "none of them"
      }`
})

const inChat = (field: "messages" | "system", what: string) =>
  rule<Suite>(`${field}-in-chat`, field, (suite) =>
    suite[field] !== undefined && suite.form === "text"
      ? `found ${what} in "form": "text"; expected "form": "chat"`
      : undefined
  )

/** Decodes a suite: returns it with all defaults filled in, or all problems. */
export const decodeSuite = (input: object): Result.Result<Suite, ReadonlyArray<PlanProblem>> =>
  decodeOptions(Suite, input, [
    promptOrMessages,
    inChat("messages", "a conversation"),
    inChat("system", "a system message")
  ])
