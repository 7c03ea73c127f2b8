/** Which format rows for a causal language model are of, and which columns of them hold what, by the first of them. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { dataError, firstRows } from "../../data/index.ts"
import { parseBoundedJson } from "../../files/index.ts"
import { describeCausal, openSource } from "../../models/causal/index.ts"
import { families } from "../../models/index.ts"
import { seq2seqFamilies } from "../../models/seq2seq/index.ts"
import { ResolveError } from "../../plan/index.ts"
import {
  type Choice,
  type Columns,
  choice,
  type DetectedRows,
  type Detecting,
  isRow,
  NAMED,
  PROBED_ROWS,
  type Row
} from "../../suggest/index.ts"

const causalRows = (source: string, file: string, columns: Columns) =>
  Effect.gen(function* () {
    const probed = yield* Effect.result(firstRows(file, PROBED_ROWS))
    const rows = Result.isSuccess(probed) ? causalFormat(probed.success, columns) : probed.failure.problems.join("\n")
    if (typeof rows !== "string") return rows
    // of the model as well, so that all problems are reported at once
    const model = yield* Effect.result(Effect.scoped(Effect.flatMap(openSource(source), describeCausal)))
    const problem = Result.isFailure(probed) ? probed.failure : dataError(file, rows)
    if (Result.isSuccess(model)) return yield* problem
    return yield* new ResolveError({ name: file, problems: [model.failure.message, problem.message] })
  })

const isText = (value: unknown): value is string => typeof value === "string"

/** A list of messages, or one as JSON text, as CSV files have it. */
const messagesIn = (value: unknown): ReadonlyArray<Row> => {
  if (isText(value) && value.trimStart().startsWith("[")) {
    const parsed = parseBoundedJson(value)
    return "value" in parsed ? messagesIn(parsed.value) : []
  }
  return Array.isArray(value) && value.length > 0 && value.every(isRow) ? value : []
}

/** Pairs of a prompt and what follows it, as data sets call them. */
const pairs = [
  ["prompt", "completion"],
  ["prompt", "response"],
  ["instruction", "response"],
  ["question", "answer"],
  ["query", "response"],
  ["input", "output"],
  ["source", "target"]
] as const

const textColumns = ["text", "content", "document", "body"] as const

/** The format that a file's first rows are of, by the columns that all of them have; or what was found and expected. */
export const causalFormat = (rows: ReadonlyArray<Row>, columns: Columns): DetectedRows | string => {
  const all = Object.keys(rows[0]!)
  const texts = all.filter((name) => rows.every((row) => isText(row[name])))
  const lists = all.filter((name) => rows.every((row) => messagesIn(row[name]).length > 0))
  const format = (name: string, reason: string) => choice("data.format", name, reason)
  const named = (own: ReadonlyArray<keyof Columns>) => own.some((name) => columns[name] !== undefined)

  if (named(["prompt", "completion"])) {
    return { format: "completion", choices: [format("completion", "a prompt and what follows it were named")] }
  }
  const list = columns.messages ?? ["messages", "conversations", ...lists].find((name) => lists.includes(name))
  if (list !== undefined && !named(["text"])) return chat(list, messagesIn(rows[0]![list]), format)
  if (named(["text"])) return { format: "text", choices: [format("text", "the column of a text was named")] }
  if (["instruction", "output"].every((name) => texts.includes(name))) {
    const reason = 'rows have the columns "instruction" and "output": one question and its answer'
    const mapping = choice(
      "data.mapping",
      "alpaca",
      "instruction and input become one message of the user, as in Alpaca"
    )
    return { format: "chat", choices: [format("chat", reason), mapping] }
  }
  const pair = pairs.find((names) => names.every((name) => texts.includes(name)))
  if (pair !== undefined) return completion(rows, pair, format)
  const text = textColumns.find((name) => texts.includes(name)) ?? (texts.length === 1 ? texts[0] : undefined)
  if (text === undefined) return noFormat(all)
  const others = all.filter((name) => name !== text)
  const alone = others.length === 0 ? "" : `; nothing else of a row is read (${others.slice(0, NAMED).join(", ")})`
  const reason = `rows have a text in the column "${text}", every token of which is learned${alone}`
  return {
    format: "text",
    choices: [format("text", reason), choice("data.text", text, "the column that holds the text")]
  }
}

const chat = (
  column: string,
  messages: ReadonlyArray<Row>,
  format: (name: string, reason: string) => Choice
): DetectedRows => {
  const from = messages.some((message) => Object.hasOwn(message, "from"))
  const mapping = from ? "sharegpt" : "openai"
  const keys = from ? '"from" and "value"' : '"role" and "content"'
  const usual = column === (from ? "conversations" : "messages")
  return {
    format: "chat",
    choices: [
      format("chat", `the column "${column}" holds lists of messages`),
      choice("data.mapping", mapping, `a message has ${keys}`),
      ...(usual ? [] : [choice("data.messages", column, "the column that holds the messages")])
    ]
  }
}

const completion = (
  rows: ReadonlyArray<Row>,
  [prompt, answer]: readonly [string, string],
  format: (name: string, reason: string) => Choice
): DetectedRows => {
  const apart = rows.some((row) => /\s$/.test(String(row[prompt])) || /^\s/.test(String(row[answer])))
  const between = apart
    ? ""
    : "; nothing is put between the two: where the model is to see a line break or a space there, write it into the rows"
  return {
    format: "completion",
    choices: [
      format("completion", `rows have a prompt ("${prompt}") and what follows it ("${answer}")`),
      choice("data.prompt", prompt, "the column that holds the prompt"),
      choice(
        "data.completion",
        answer,
        `the column that holds what is learned, and an end-of-text token after it${between}`
      )
    ]
  }
}

const noFormat = (found: ReadonlyArray<string>): string => {
  const names = found.length === 0 ? "no columns" : `the columns ${found.slice(0, NAMED).join(", ")}`
  const forms = "messages or conversations (lists), instruction and output, prompt and completion, or text"
  return `found ${names}; expected ${forms}: name yours with --messages, --prompt and --completion, or --text`
}

export const detectCausal: Detecting = {
  columns: { chat: ["messages"], completion: ["prompt", "completion"], text: ["text"] },
  // any model with a config.json that is of no encoder, with or without a decoder after it
  takes: ({ source, modelType }) =>
    /\.gguf(@[^/]*)?$/i.test(source) ||
    modelType === null ||
    (modelType !== undefined && !Object.hasOwn(families, modelType) && !Object.hasOwn(seq2seqFamilies, modelType)),
  rows: causalRows
}
