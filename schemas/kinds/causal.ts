/**
 * Conversations, completions or texts, for a causal language model.
 *
 *   "model": { "source": "../models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" }
 *   "data": { "format": "chat", "train": "chats.jsonl", "mapping": "sharegpt", "maxLength": 1024 }
 *   "data": { "format": "chat", "train": "sums.csv", "messages": [
 *     { "role": "user", "content": "{question}" }, { "role": "assistant", "content": "{answer}" }] }
 *   "data": { "format": "completion", "train": "sums.csv", "prompt": "Question: {question}\nAnswer: ", "completion": "answer" }
 *   "data": { "format": "text", "train": "speeches.parquet" }
 */
import * as Schema from "effect/Schema"
import { choice, count, integer, listOf, text, withDefault } from "../fields.ts"
import { packedWeights } from "../model.ts"
import type { Rule } from "../problems.ts"
import {
  type AnyPlan,
  column,
  formatFitsTheModel,
  noTopology,
  type PlanKind,
  planOf,
  somethingIsAdapted,
  splits
} from "./plan.ts"

/** A causal language model. */
export const CausalModelSection = Schema.Struct({
  source: text(
    "a path to a Hugging Face model folder or a .gguf file, or hf:owner/name",
    "Folder of the base model (config.json, *.safetensors, tokenizer.json) or a .gguf file, relative to the plan file; or hf:owner/name[@revision][/file.gguf], which is fetched once."
  ),
  weights: packedWeights
}).annotate({ title: "CausalModel", description: "Which causal language model is adapted." })
export type CausalModelSection = typeof CausalModelSection.Type

const packed = (byDefault: boolean) =>
  Schema.Boolean.annotate({
    expected: "true or false",
    description:
      "Whether a row of a batch holds several texts in sequence, each attending to itself alone, rather than one text and padding."
  }).pipe(withDefault(byDefault))

export const bucketPool = count(
  1,
  "Batches per pool: shuffled rows are sorted by length, or packed, within a pool.",
  "batches"
).pipe(withDefault(8))

export const cutAt = (what: string) => integer(4, 131_072, what, "tokens").pipe(withDefault(512))

const columnOrTextExpected = "the name of a column, or a text with {column} in it and a doubled brace for a brace"

/** A column, or a text with columns in it. */
const columnOrText = (what: string) =>
  text(
    columnOrTextExpected,
    `${what}: a column's name, or a text in which {column} stands for a column's value and a doubled brace for a brace.`
  ).check(Schema.isPattern(/^(?:[^{}]|\{\{|\}\}|\{[^{}]+\})*$/u, { expected: columnOrTextExpected }))

const TemplateMessage = Schema.Struct({
  role: choice(["system", "user", "assistant"], "Who says it."),
  content: columnOrText("What is said")
}).annotate({ expected: "{ role, content }", description: "A message that is made of a row's columns." })

const day = /^\d{4}-\d{2}-\d{2}$/u

/** Fields of conversations of any kind. */
export const conversationFields = {
  tools: Schema.optionalKey(
    column(
      "Column that holds the tools that the assistant may call, a list of { type: function, function: { name, description, parameters } }. Absent: tools, where rows have it."
    )
  ),
  system: Schema.optionalKey(
    text("a system message", "Put before every conversation that has no system message of its own.")
  ),
  chatTemplate: Schema.optionalKey(
    text(
      "a path to a .jinja file",
      "A chat template to use instead of the checkpoint's, relative to the plan file. The run keeps a copy, and generate, chat, serve and exports use it."
    )
  ),
  templateValues: Schema.optionalKey(
    Schema.Record(Schema.String, Schema.Json).annotate({
      expected: "an object",
      description: 'Values that the chat template reads by name, such as { "enable_thinking": false }.'
    })
  ),
  templateDate: Schema.optionalKey(
    text(
      "a date, YYYY-MM-DD",
      "The date that a chat template writes which asks for today's. Absent: the day on which the run starts."
    ).check(Schema.isPattern(day, { expected: "a date, YYYY-MM-DD" }))
  ),
  reasoning: choice(
    ["learn", "drop"],
    "Whether the assistant's reasoning (reasoning_content, thinking, or <think> … </think> before the answer) is learned or removed from the rows."
  ).pipe(withDefault("learn"))
}

/** Schema of `data` with `format: "chat"`: conversations, of which the assistant's turns are learned. */
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
    Schema.Union([
      column("Column that holds the list of messages."),
      listOf(1, TemplateMessage, "a list of { role, content }", "Messages that are made of columns.")
    ]).annotate({
      expected: "the name of a column, or a list of { role, content }",
      description:
        "Column that holds the list of messages, or messages that are made of other columns. Absent: messages (openai) or conversations (sharegpt)."
    })
  ),
  ...conversationFields,
  lossOn: choice(
    ["assistant", "last", "all"],
    "What is learned: each of the assistant's turns with its end, the last of them, or every token."
  ).pipe(withDefault("assistant")),
  turns: Schema.optionalKey(
    choice(
      ["together", "apart"],
      "Whether all turns of a conversation are learned in one example, or each in an example of its own, after exactly the prompt that generation would see. Absent: together where the chat template writes every turn as it would be generated, otherwise apart."
    )
  ),
  maxLength: cutAt("Tokens of a conversation at most; its end is cut off."),
  packing: packed(false),
  bucketPool
}).annotate({ title: "Chat data", description: "Conversations and how they become batches." })
export type ChatData = typeof ChatData.Type

/** Schema of `data` with `format: "completion"`: prompts and what follows them. */
export const CompletionData = Schema.Struct({
  format: Schema.Literal("completion").annotate({ description: "Prompts and their completions." }),
  ...splits,
  prompt: columnOrText("The prompt").pipe(withDefault("prompt")),
  completion: columnOrText(
    "What follows the prompt; nothing is put between the two, and an end-of-text token is added after it"
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

/** Schema of `data` with `format: "text"`: texts, all of which is learned. */
export const TextData = Schema.Struct({
  format: Schema.Literal("text").annotate({ description: "Texts, every token of which is learned." }),
  ...splits,
  text: column("Column that holds the text.").pipe(withDefault("text")),
  maxLength: cutAt("Tokens of a row at most; a longer text is cut into several rows, nothing of it is lost."),
  packing: packed(true),
  bucketPool
}).annotate({ title: "Text data", description: "Texts and how they become batches." })
export type TextData = typeof TextData.Type

/** Schema of `data` of causal language models, by `format`. */
export const CausalData = Schema.Union([ChatData, CompletionData, TextData]).annotate({
  description: "What a causal language model learns from."
})
export type CausalData = typeof CausalData.Type

/** The column of a conversation's messages, which depends on the mapping where the plan does not name it. */
export const messagesColumn = ({ messages, mapping }: Pick<ChatData, "messages" | "mapping">): string =>
  typeof messages === "string" ? messages : mapping === "sharegpt" ? "conversations" : "messages"

/** A causal language model and conversations, completions or texts. */
export const CausalPlan = planOf(
  CausalModelSection,
  CausalData,
  "CausalPlan",
  "A training run of a causal language model."
)
export type CausalPlan = typeof CausalPlan.Type

/** Rules about every plan of a causal language model. */
export const languageModelRules: ReadonlyArray<Rule<AnyPlan>> = [
  formatFitsTheModel(noTopology),
  somethingIsAdapted("a causal language model")
]

export const causalPlans: PlanKind<"chat" | "completion" | "text", CausalPlan, typeof CausalPlan> = {
  formats: { chat: CausalPlan, completion: CausalPlan, text: CausalPlan },
  rules: languageModelRules
}
