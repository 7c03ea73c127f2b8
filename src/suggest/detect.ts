/**
 * What a model and a file of rows are, where somebody names nothing but the two: an encoder, a causal language model or a `tf.LayersModel`,
 * by its files; and which columns of the rows hold what, by the first of them.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Result from "effect/Result"
import { firstRows } from "../data/causal/first-rows.ts"
import { type DataError, dataError } from "../data/index.ts"
import { parseBoundedJson, readTextFile } from "../files/index.ts"
import { describeCausal, openSource } from "../models/causal/index.ts"
import { families } from "../models/index.ts"
import { ResolveError } from "../plan/index.ts"
import { type Choice, count } from "./choice.ts"

/** Columns that somebody may name. */
export const columnNames = ["text", "label", "input", "messages", "prompt", "completion"] as const
type Column = (typeof columnNames)[number]
export type Columns = { readonly [name in Column]?: string }

/** Sections of a plan as they are written, and why they are so. */
export interface Detected {
  readonly model: { readonly source: string }
  readonly data: { readonly format: string; readonly [key: string]: unknown }
  readonly found: ReadonlyArray<Choice>
}

type Row = { readonly [column: string]: unknown }

/** Rows that are looked at. */
const LOOKED = 50

/** `model`: as a plan's source, or a folder that holds such a file; `rows`: the training file. Both as the user named them. */
export const detect = (
  model: string,
  rows: string,
  columns: Columns
): Effect.Effect<Detected, DataError | ResolveError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const { source, kind, found } = yield* modelOf(model)
    const data = yield* kind === "causal"
      ? causalRows(source, rows, columns)
      : kind === "arrays"
        ? arrayRows(source, rows, columns)
        : Effect.succeed({ format: "classification", choices: [] })
    const misnamed = unused(columns, data.format)
    if (misnamed !== undefined) return yield* dataError(rows, misnamed)
    const { format, choices } = data
    const chosen = choices.map(({ path, value }) => [path.replace("data.", ""), value])
    return {
      model: { source },
      data: { format, ...columns, ...Object.fromEntries(chosen) },
      found: [...found, ...choices]
    }
  })

const readers: { readonly [format: string]: ReadonlyArray<Column> } = {
  classification: ["text", "label"],
  arrays: ["input", "label"],
  chat: ["messages"],
  completion: ["prompt", "completion"],
  text: ["text"]
}

/** A column that was named and is none of the format's. */
const unused = (columns: Columns, format: string): string | undefined => {
  const own = readers[format]!
  const others = columnNames.filter((name) => columns[name] !== undefined && !own.includes(name))
  if (others.length === 0) return undefined
  const list = (names: ReadonlyArray<Column>) => names.map((name) => `--${name}`).join(" and ")
  return `found ${list(others)} for this model and these rows, which make data.format "${format}"; expected ${list(own)}, or nothing`
}

interface Model {
  readonly source: string
  readonly kind: "classification" | "arrays" | "causal"
  readonly found: ReadonlyArray<Choice>
}

const byName = (source: string): Model["kind"] | undefined => {
  if (/\.json$/i.test(source)) return "arrays"
  return /^hf:|\.gguf$/i.test(source) ? "causal" : undefined
}

/** What is missing or broken is told when the model is opened. */
const modelOf = (model: string): Effect.Effect<Model, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const named = byName(model)
    if (named !== undefined) return { source: model, kind: named, found: [] }
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const files = yield* fs.readDirectory(model).pipe(Effect.orElseSucceed((): ReadonlyArray<string> => []))
    if (!files.includes("config.json")) {
      const [only, ...more] = files.filter((file) => file === "model.json" || /\.gguf$/i.test(file))
      if (only !== undefined && more.length === 0) {
        const source = path.join(model, only)
        const reason = `the folder has no config.json of a Hugging Face model, and one model beside it`
        return { source, kind: byName(source)!, found: [{ path: "model.source", value: source, reason }] }
      }
      return { source: model, kind: "classification", found: [] }
    }
    const config = yield* readTextFile(path.join(model, "config.json")).pipe(
      Effect.map(parseBoundedJson),
      Effect.orElseSucceed(() => undefined)
    )
    const type = config !== undefined && "value" in config ? (config.value as Row | null)?.["model_type"] : undefined
    const encoder = typeof type === "string" && Object.hasOwn(families, type)
    return { source: model, kind: encoder ? "classification" : "causal", found: [] }
  })

interface Rows {
  readonly format: string
  readonly choices: ReadonlyArray<Choice>
}

const causalRows = (source: string, file: string, columns: Columns) =>
  Effect.gen(function* () {
    const looked = yield* Effect.result(firstRows(file, LOOKED))
    const rows = Result.isSuccess(looked) ? causalFormat(looked.success, columns) : looked.failure.problems.join("\n")
    if (typeof rows !== "string") return rows
    // of the model as well, so that all that is wrong is told at once
    const model = yield* Effect.result(Effect.scoped(Effect.flatMap(openSource(source), describeCausal)))
    const problem = Result.isFailure(looked) ? looked.failure : dataError(file, rows)
    if (Result.isSuccess(model)) return yield* problem
    return yield* new ResolveError({ name: file, problems: [model.failure.message, problem.message] })
  })

const isRow = (value: unknown): value is Row => typeof value === "object" && value !== null && !Array.isArray(value)

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

const choice = (path: string, value: string, reason: string): Choice => ({ path, value, reason })

/** The format that a file's first rows are of, by the columns that all of them have; or what was found and expected. */
export const causalFormat = (rows: ReadonlyArray<Row>, columns: Columns): Rows | string => {
  const all = Object.keys(rows[0]!)
  const texts = all.filter((name) => rows.every((row) => isText(row[name])))
  const lists = all.filter((name) => rows.every((row) => messagesIn(row[name]).length > 0))
  const format = (name: string, reason: string) => choice("data.format", name, reason)
  const named = (own: ReadonlyArray<Column>) => own.some((name) => columns[name] !== undefined)

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

const chat = (column: string, messages: ReadonlyArray<Row>, format: (name: string, reason: string) => Choice): Rows => {
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
): Rows => {
  const apart = rows.some((row) => /\s$/.test(String(row[prompt])) || /^\s/.test(String(row[answer])))
  const between = apart
    ? ""
    : "; nothing stands between the two: where the model is to see a line break or a space there, write it into the rows"
  return {
    format: "completion",
    choices: [
      format("completion", `rows have a prompt ("${prompt}") and what follows it ("${answer}")`),
      choice("data.prompt", prompt, "the column that holds the prompt"),
      choice(
        "data.completion",
        answer,
        `the column that holds what is learned, and an end-of-text token behind it${between}`
      )
    ]
  }
}

const NAMED = 10

const noFormat = (found: ReadonlyArray<string>): string => {
  const names = found.length === 0 ? "no columns" : `the columns ${found.slice(0, NAMED).join(", ")}`
  const forms = "messages or conversations (lists), instruction and output, prompt and completion, or text"
  return `found ${names}; expected ${forms}: name yours with --messages, --prompt and --completion, or --text`
}

const arrayRows = (source: string, file: string, columns: Columns) =>
  Effect.gen(function* () {
    // other files are refused with what is expected when they are opened
    if (!/\.(jsonl|ndjson)$/i.test(file)) return { format: "arrays", choices: [] }
    const looked = yield* Effect.result(firstRows(file, LOOKED))
    if (Result.isFailure(looked)) return { format: "arrays", choices: [] }
    const text = yield* readTextFile(source).pipe(Effect.orElseSucceed(() => ""))
    const rows = arrayColumns(looked.success, columns, /"class_name"\s*:\s*"Rescaling"/.test(text))
    return typeof rows === "string" ? yield* dataError(file, rows) : rows
  })

const numbersIn = (value: unknown): ReadonlyArray<number> => {
  const flat: ReadonlyArray<unknown> = Array.isArray(value) ? value.flat(Number.POSITIVE_INFINITY) : []
  return flat.every((number) => typeof number === "number") ? (flat as ReadonlyArray<number>) : []
}

const BYTE = 255

/** Which columns hold the numbers and the label, and what the numbers are multiplied with; or what was found and expected. */
export const arrayColumns = (rows: ReadonlyArray<Row>, columns: Columns, rescales: boolean): Rows | string => {
  const all = Object.keys(rows[0]!)
  const lists = all.filter((name) => rows.every((row) => numbersIn(row[name]).length > 0))
  const labels = all.filter((name) => rows.every((row) => ["string", "number", "boolean"].includes(typeof row[name])))
  const input = columns.input ?? only("input", lists)
  const label = columns.label ?? only("label", labels)
  const missing = [
    ...(input === undefined ? [`${found(lists, "a list of numbers")}: name it with --input`] : []),
    ...(label === undefined ? [`${found(labels, "a label")}: name it with --label`] : [])
  ]
  if (input === undefined || label === undefined)
    return `${missing.join("; ")} (found: ${all.slice(0, NAMED).join(", ")})`
  const numbers = rows.flatMap((row) => numbersIn(row[input]))
  return {
    format: "arrays",
    choices: [
      choice("data.format", "arrays", "rows of numbers, for a tf.LayersModel"),
      choice("data.input", input, "the column that holds lists of numbers"),
      choice("data.label", label, "the column that holds a label"),
      ...scaleOf(numbers, rescales)
    ]
  }
}

/** The column of the usual name, or the only one there is. */
const only = (usual: string, candidates: ReadonlyArray<string>): string | undefined =>
  candidates.includes(usual) ? usual : candidates.length === 1 ? candidates[0] : undefined

const found = (candidates: ReadonlyArray<string>, what: string): string =>
  candidates.length === 0 ? `no column holds ${what} in every row` : `${candidates.length} columns may hold ${what}`

/** Numbers that are bytes become 0 to 1, unless the model does so itself. */
const scaleOf = (numbers: ReadonlyArray<number>, rescales: boolean): ReadonlyArray<Choice> => {
  const bytes = numbers.every((number) => Number.isInteger(number) && number >= 0 && number <= BYTE)
  const largest = numbers.reduce((max, number) => Math.max(max, number), 0)
  if (!bytes || largest <= 1 || rescales) return []
  const reason = `whole numbers from 0 to ${count(largest)} look like bytes, and the model has no layer that scales them: 1/${BYTE} makes them 0 to 1, as models of images are mostly trained`
  return [{ path: "data.scale", value: 1 / BYTE, reason }]
}
