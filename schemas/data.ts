/**
 * The `data` section: rows, and how they become batches. Its `format` says what a row is, and with it which model a plan is for.
 *
 *   { "format": "classification", "train": "train.jsonl", "validation": 0.1, "text": "text", "label": "label", "maxLength": 32 }
 *   { "format": "arrays", "train": "train.jsonl", "validation": 0.1, "input": "pixels", "label": "digit", "scale": 0.00392156862745098 }
 *
 *   { "format": "chat", "train": "chats.jsonl", "mapping": "sharegpt", "maxLength": 1024 }
 *   { "format": "completion", "train": "sums.csv", "prompt": "question", "completion": "answer" }
 *   { "format": "text", "train": "speeches.parquet" }
 *
 * Files by extension: .jsonl or .ndjson (one object a line), .csv (with a header row), each also as .gz, and .parquet. Paths are
 * relative to the plan.
 */
import * as Schema from "effect/Schema"
import { choice, count, integer, listOf, positive, share, text, withDefault } from "./fields.ts"

/** The formats of `src/data/formats`. */
const path = "a path to a .jsonl, .csv or .parquet file"
const extensions = ".jsonl, .ndjson or .csv, these as .gz too, or .parquet"

const file = (what: string) => text(path, `${what} Relative to the plan file.`)

/** The fields of every data section. */
export const splits = {
  train: file(`Rows to train on (${extensions}).`),
  validation: Schema.optionalKey(
    Schema.Union([
      file("Rows to evaluate during training."),
      share("The share of the training rows held out.")
    ]).annotate({
      expected: `${path}, or a fraction between 0 and 1 of the training rows`,
      description:
        "Rows to evaluate during training: a file, or the share of the training rows that is held out for it."
    })
  ),
  test: Schema.optionalKey(file("Rows to evaluate at the end."))
}

const labelsExpected = "a list of labels, each once"

const classes = {
  label: text("the name of a column", "Column that holds the label.").pipe(withDefault("label")),
  labels: Schema.optionalKey(
    listOf(
      1,
      text("a label", "A label."),
      labelsExpected,
      "The labels in the order of the classes. Absent: those found in `train`, sorted."
    ).check(Schema.isUnique({ expected: labelsExpected }))
  )
}

export const DataSection = Schema.Struct({
  format: Schema.Literal("classification").annotate({ description: "Rows of a text and its label." }),
  ...splits,
  text: text("the name of a column", "Column that holds the text.").pipe(withDefault("text")),
  ...classes,
  maxLength: integer(4, 8192, "Tokens of a text at most, special tokens included; the rest is cut off.").pipe(
    withDefault(128)
  ),
  bucketPool: count(
    1,
    "Batches per pool: shuffled rows are sorted by length within a pool, so that a batch holds texts of similar length."
  ).pipe(withDefault(8))
}).annotate({ title: "Data", description: "Rows of labelled text and how they become batches." })
export type DataSection = typeof DataSection.Type

/** Rows of numbers, for a LayersModel. */
export const ArraysSection = Schema.Struct({
  format: Schema.Literal("arrays").annotate({ description: "Rows of numbers, such as an image's, and a label." }),
  ...splits,
  input: text(
    "the name of a column",
    "Column that holds the numbers of a row: a list, nested or flat, of as many as the model's input has."
  ).pipe(withDefault("input")),
  scale: positive("What every number is multiplied by: 1/255 turns bytes into grey values.").pipe(withDefault(1)),
  ...classes
}).annotate({ title: "Arrays", description: "Rows of numbers with a label, and how they become batches." })
export type ArraysSection = typeof ArraysSection.Type

const column = (what: string) => text("the name of a column", what)

const packed = (byDefault: boolean) =>
  Schema.Boolean.annotate({
    expected: "true or false",
    description:
      "Whether a row of a batch holds several texts in sequence, each attending to itself alone, rather than one text and padding."
  }).pipe(withDefault(byDefault))

const bucketPool = count(1, "Batches per pool: shuffled rows are sorted by length, or packed, within a pool.").pipe(
  withDefault(8)
)

const cutAt = (what: string) => integer(4, 131_072, what).pipe(withDefault(512))

export const ChatData = Schema.Struct({
  format: Schema.Literal("chat").annotate({
    description: "Conversations, written out by the chat template of the checkpoint."
  }),
  ...splits,
  mapping: choice(
    ["openai", "sharegpt", "alpaca"],
    "The form of a row's conversation: openai (a list of { role, content }), sharegpt (a list of { from, value }) or alpaca (columns instruction, input, output and system)."
  ).pipe(withDefault("openai")),
  messages: Schema.optionalKey(
    column("Column that holds the list of messages. Absent: messages (openai) or conversations (sharegpt).")
  ),
  system: Schema.optionalKey(
    text("a system message", "Put before every conversation that has no system message of its own.")
  ),
  lossOn: choice(
    ["assistant", "all"],
    "What is learned: what the assistant says and the end of its turn, or every token."
  ).pipe(withDefault("assistant")),
  maxLength: cutAt("Tokens of a conversation at most; its end is cut off."),
  packing: packed(false),
  bucketPool
}).annotate({ title: "Chat data", description: "Conversations and how they become batches." })
export type ChatData = typeof ChatData.Type

export const CompletionData = Schema.Struct({
  format: Schema.Literal("completion").annotate({ description: "Prompts and their completions." }),
  ...splits,
  prompt: column("Column that holds the prompt.").pipe(withDefault("prompt")),
  completion: column(
    "Column that holds what follows the prompt. Nothing is put between the two; an end-of-text token is added after."
  ).pipe(withDefault("completion")),
  lossOn: choice(
    ["completion", "all"],
    "What is learned: the completion and the end-of-text token, or the prompt too."
  ).pipe(withDefault("completion")),
  maxLength: cutAt("Tokens of prompt and completion at most; the end is cut off."),
  packing: packed(false),
  bucketPool
}).annotate({ title: "Completion data", description: "Prompts with completions and how they become batches." })
export type CompletionData = typeof CompletionData.Type

export const TextData = Schema.Struct({
  format: Schema.Literal("text").annotate({ description: "Texts, every token of which is learned." }),
  ...splits,
  text: column("Column that holds the text.").pipe(withDefault("text")),
  maxLength: cutAt("Tokens of a row at most; a longer text is cut into several rows, nothing of it is lost."),
  packing: packed(true),
  bucketPool
}).annotate({ title: "Text data", description: "Texts and how they become batches." })
export type TextData = typeof TextData.Type

export const CausalData = Schema.Union([ChatData, CompletionData, TextData]).annotate({
  description: "What a causal language model learns from."
})
export type CausalData = typeof CausalData.Type

/** The column of a conversation's messages, which depends on the mapping where the plan does not name it. */
export const messagesColumn = ({ messages, mapping }: Pick<ChatData, "messages" | "mapping">): string =>
  messages ?? (mapping === "sharegpt" ? "conversations" : "messages")
