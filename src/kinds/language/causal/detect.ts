/** Which format rows for a causal language model are of, and which columns of them hold what, by the first of them. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { dataError, firstRows } from "../../../data/index.ts"
import { parseBoundedJson } from "../../../files/index.ts"
import { describeCausal, openSource, storedChatTemplate } from "../../../models/causal/index.ts"
import { families } from "../../../models/index.ts"
import { seq2seqFamilies } from "../../../models/seq2seq/index.ts"
import { ResolveError } from "../../../plan/index.ts"
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
} from "../../../suggest/index.ts"

const causalRows = (source: string, file: string, columns: Columns) =>
  Effect.gen(function* () {
    const probed = yield* Effect.result(firstRows(file, PROBED_ROWS))
    const rows = Result.isSuccess(probed) ? causalFormat(probed.success, columns) : probed.failure.problems.join("\n")
    if (typeof rows !== "string") {
      const named = columns.prompt !== undefined || columns.completion !== undefined
      if (rows.format !== "completion" || named || !(yield* chats(source))) return rows
      return causalFormat((probed as Result.Success<ReadonlyArray<Row>, never>).success, columns, true) as DetectedRows
    }
    // of the model as well, so that all problems are reported at once
    const model = yield* Effect.result(Effect.scoped(Effect.flatMap(openSource(source), describeCausal)))
    const problem = Result.isFailure(probed) ? probed.failure : dataError(file, rows)
    if (Result.isSuccess(model)) return yield* problem
    return yield* new ResolveError({ name: file, problems: [model.failure.message, problem.message] })
  })

/** Whether a model has a chat template. One that cannot be opened is reported when the plan is resolved. */
const chats = (source: string) =>
  Effect.scoped(Effect.map(openSource(source), (own) => storedChatTemplate(own) !== null)).pipe(
    Effect.orElseSucceed(() => false)
  )

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

/**
 * The format that a file's first rows are of, by the columns that all of them have; or what was found and expected. `chats`: the model has
 * a chat template, so that questions and answers become conversations.
 */
export const causalFormat = (rows: ReadonlyArray<Row>, columns: Columns, chats = false): DetectedRows | string => {
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
  if (pair !== undefined) return chats ? exchange(pair, format) : completion(rows, pair, format)
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

/** A question and its answer, for a model that was made for conversations. */
const exchange = (
  [prompt, answer]: readonly [string, string],
  format: (name: string, reason: string) => Choice
): DetectedRows => ({
  format: "chat",
  choices: [
    format(
      "chat",
      `rows have a question ("${prompt}") and its answer ("${answer}"), and the model has a chat template`
    ),
    {
      path: "data.messages",
      value: [
        { role: "user", content: `{${prompt}}` },
        { role: "assistant", content: `{${answer}}` }
      ],
      reason: "what the user and the assistant say; other columns and a system message may be added"
    }
  ]
})

const completion = (
  rows: ReadonlyArray<Row>,
  [prompt, answer]: readonly [string, string],
  format: (name: string, reason: string) => Choice
): DetectedRows => {
  const pair = format("completion", `rows have a prompt ("${prompt}") and what follows it ("${answer}")`)
  const apart = rows.some((row) => /\s$/.test(String(row[prompt])) || /^\s/.test(String(row[answer])))
  const learned = "what is learned, and an end-of-text token after it"
  if (apart || prompt === "prompt") {
    const between = apart
      ? ""
      : '; nothing is put between the two: if the model is to see a line break or a space there, use a text such as "{prompt}\\n"'
    return {
      format: "completion",
      choices: [
        pair,
        choice("data.prompt", prompt, "the column that holds the prompt"),
        choice("data.completion", answer, `the column that holds ${learned}${between}`)
      ]
    }
  }
  const label = (name: string) => name.charAt(0).toUpperCase() + name.slice(1)
  const text = `${label(prompt)}: {${prompt}}\n${label(answer)}:`
  return {
    format: "completion",
    choices: [
      pair,
      choice("data.prompt", text, "the column with words around it, so that the model sees where the answer begins"),
      // a token of most vocabularies begins with a space, and none ends with one
      choice("data.completion", ` {${answer}}`, `${learned}; the space before it is part of its first token`)
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
