/** Detects the format of rows for a causal language model, and the columns of their parts, from the first rows. */
import * as Effect from "effect/Effect"
import { capital } from "../../../boundary/index.ts"
import { parseBoundedJson } from "../../../files/index.ts"
import { describeCausal, openSource, storedChatTemplate } from "../../../models/causal/index.ts"
import { families } from "../../../models/index.ts"
import { seq2seqFamilies } from "../../../models/seq2seq/index.ts"
import {
  type Choice,
  choice,
  type Detecting,
  type Found,
  isRow,
  NAMED,
  type Row,
  sure
} from "../../../suggest/index.ts"
import { columnsIn, exampleOf, isProse, shownColumn, shownText, textsIn } from "../../rows/columns.ts"

/** Returns whether a model has a chat template. A model that cannot be opened is reported when the plan is resolved. */
const chats = (source: string) =>
  Effect.scoped(Effect.map(openSource(source), (model) => storedChatTemplate(model) !== null)).pipe(
    Effect.orElseSucceed(() => false)
  )

const isText = (value: unknown): value is string => typeof value === "string"

/** Returns the messages of a cell: a list, or JSON text, as in CSV files. */
const messagesIn = (value: unknown): ReadonlyArray<Row> => {
  if (isText(value) && value.trimStart().startsWith("[")) {
    const parsed = parseBoundedJson(value)
    return "value" in parsed ? messagesIn(parsed.value) : []
  }
  return Array.isArray(value) && value.length > 0 && value.every(isRow) ? value : []
}

/** Common names of prompt and completion columns, and the certainty of each pair. */
const pairs = [
  ["prompt", "completion", sure.clearly],
  ["prompt", "response", sure.clearly],
  ["instruction", "response", sure.clearly],
  ["query", "response", sure.usual],
  // it is also possible to learn which of them belong together
  ["question", "answer", sure.only],
  ["input", "output", sure.only],
  ["source", "target", sure.possible]
] as const

const textNames = ["text", "content", "document", "body"] as const

const format = (name: string, reason: string): Choice => choice("data.format", name, reason)

/** Detects all formats that rows can have for a causal language model, the most certain first. */
const causalForms: Detecting["rows"] = ({ content, rows }, columns, { chats } = {}) => {
  if (content !== "rows") return []
  const all = columnsIn(rows)
  // the cell is blank for a question without an input
  const isText = (name: string) => rows.every((row) => typeof row[name] === "string")
  const texts = all.filter(({ name }) => isText(name)).map(({ name }) => name)
  const lists = all.map(({ name }) => name).filter((name) => rows.every((row) => messagesIn(row[name]).length > 0))
  const { prompt, completion: named, text } = columns
  if (prompt !== undefined || named !== undefined) return [namedPair(rows, prompt ?? "prompt", named ?? "completion")]
  const list = columns.messages ?? ["messages", "conversations", ...lists].find((name) => lists.includes(name))
  // several lists without a common name are equally likely
  const isUsual = ["messages", "conversations"].some((name) => lists.includes(name))
  const certainty = isUsual || columns.messages !== undefined || lists.length === 1 ? sure.clearly : sure.possible
  if (list !== undefined && text === undefined) return [chat(list, rows, certainty)]
  if (text !== undefined) return [plain(rows, text, sure.named, "the text column was named")]
  if (["instruction", "output"].every((name) => texts.includes(name))) return [alpaca(rows)]
  const pair = pairs.find(([first, second]) => texts.includes(first) && texts.includes(second))
  if (pair !== undefined) {
    const [prompt, answer, sureOf] = pair
    const talks = chats ?? prompt !== "prompt"
    return [talks ? exchange(rows, prompt, answer, sureOf) : completion(rows, prompt, answer, sureOf)]
  }
  const prose = textsIn(all)
  const usual = textNames.find((name) => texts.includes(name))
  const column = usual ?? (prose.length === 1 && (isProse(prose[0]!) || all.length === 1) ? prose[0]!.name : undefined)
  if (column === undefined) return []
  const unread = all.map(({ name }) => name).filter((name) => name !== column)
  const alone = unread.length === 0 ? "" : `; nothing else of a row is read (${unread.slice(0, NAMED).join(", ")})`
  const reason = `rows have a text in the column "${column}", every token of which is learned${alone}`
  return [plain(rows, column, unread.length === 0 ? sure.usual : sure.anything, reason)]
}

const plain = (rows: ReadonlyArray<Row>, text: string, certainty: number, reason: string): Found => ({
  format: "text",
  sentence: `how texts continue: ${shownColumn(text)}`,
  example: shownText(rows[0]?.[text]),
  certainty,
  columns: { text },
  choices: [
    format("text", reason),
    ...(certainty === sure.named ? [] : [choice("data.text", text, "the column that holds the text")])
  ]
})

const namedPair = (rows: ReadonlyArray<Row>, prompt: string, completion: string): Found => ({
  format: "completion",
  sentence: `how to continue: ${shownColumn(completion)} after each ${shownColumn(prompt)}`,
  example: exampleOf(rows, { text: prompt }, (row) => shownText(row[completion])),
  certainty: sure.named,
  columns: { prompt, completion },
  choices: [format("completion", "prompt and completion columns were named")]
})

/** Returns the text of a message, from either of its two keys. */
const saidIn = (message: Row | undefined): string => shownText(message?.["content"] ?? message?.["value"] ?? "")

const chat = (column: string, rows: ReadonlyArray<Row>, certainty: number): Found => {
  const messages = messagesIn(rows[0]?.[column])
  const from = messages.some((message) => Object.hasOwn(message, "from"))
  const mapping = from ? "sharegpt" : "openai"
  const keys = from ? '"from" and "value"' : '"role" and "content"'
  const usual = column === (from ? "conversations" : "messages")
  const firstQuestion = messages.findIndex((message) =>
    /^(user|human)$/.test(String(message["role"] ?? message["from"]))
  )
  return {
    format: "chat",
    sentence: `how to answer: chats in ${shownColumn(column)}`,
    example: `${saidIn(messages[Math.max(0, firstQuestion)])} → ${saidIn(messages[Math.max(0, firstQuestion) + 1])}`,
    certainty,
    columns: usual ? {} : { messages: column },
    choices: [
      format("chat", `the column "${column}" holds lists of messages`),
      choice("data.mapping", mapping, `a message has ${keys}`),
      ...(usual ? [] : [choice("data.messages", column, "the column that holds the messages")])
    ]
  }
}

const alpaca = (rows: ReadonlyArray<Row>): Found => ({
  format: "chat",
  sentence: "how to answer: `output` to each `instruction`",
  example: exampleOf(rows, { text: "instruction" }, (row) => shownText(row["output"])),
  certainty: sure.clearly,
  columns: {},
  choices: [
    format("chat", 'rows have the columns "instruction" and "output": one question and its answer'),
    choice("data.mapping", "alpaca", "instruction and input become one message of the user, as in Alpaca")
  ]
})

/** Detects questions with answers, for a chat model. */
const exchange = (rows: ReadonlyArray<Row>, prompt: string, answer: string, certainty: number): Found => ({
  format: "chat",
  sentence: `how to answer: ${shownColumn(answer)} to each ${shownColumn(prompt)}`,
  example: exampleOf(rows, { text: prompt }, (row) => shownText(row[answer])),
  certainty,
  columns: {},
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
      reason: "messages of the user and the assistant; you can add other columns and a system message"
    }
  ]
})

const completion = (rows: ReadonlyArray<Row>, prompt: string, answer: string, certainty: number): Found => {
  const shared = { ...namedPair(rows, prompt, answer), certainty, columns: {} }
  const pair = format("completion", `rows have a prompt ("${prompt}") and what follows it ("${answer}")`)
  const apart = rows.some((row) => /\s$/.test(String(row[prompt])) || /^\s/.test(String(row[answer])))
  const learned = "what the model learns, followed by an end-of-text token"
  if (apart || prompt === "prompt") {
    const between = apart
      ? ""
      : '; the two are joined without a separator: to add a line break or a space, use a template such as "{prompt}\\n"'
    return {
      ...shared,
      choices: [
        pair,
        choice("data.prompt", prompt, "the column that holds the prompt"),
        choice("data.completion", answer, `the column that holds ${learned}${between}`)
      ]
    }
  }
  const text = `${capital(prompt)}: {${prompt}}\n${capital(answer)}:`
  return {
    ...shared,
    choices: [
      pair,
      choice("data.prompt", text, "the column inside a template, so that the model sees where the answer begins"),
      // tokens of most vocabularies begin with a space, and none ends with one
      choice("data.completion", ` {${answer}}`, `${learned}; the space before it is part of its first token`)
    ]
  }
}

export const detectCausal: Detecting = {
  columns: { chat: ["messages"], completion: ["prompt", "completion"], text: ["text"] },
  // any model whose config.json is neither an encoder's nor an encoder-decoder's
  takes: ({ source, modelType }) =>
    /\.gguf(@[^/]*)?$/i.test(source) ||
    modelType === null ||
    (modelType !== undefined && !Object.hasOwn(families, modelType) && !Object.hasOwn(seq2seqFamilies, modelType)),
  needs: "this needs a text-generation model, such as --model hf:HuggingFaceTB/SmolLM2-135M-Instruct",
  hint: "name the columns with --messages (conversations), --prompt and --completion, or --text",
  rows: causalForms,
  look: (source) => Effect.map(chats(source), (has) => ({ chats: has })),
  opens: (source) => Effect.scoped(Effect.flatMap(openSource(source), describeCausal))
}
