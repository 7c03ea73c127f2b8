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

/** Schema of `model` for a causal language model. */
export const CausalModelSection = Schema.Struct({
  source: text(
    "a path to a Hugging Face model folder or a .gguf file, or hf:owner/name",
    "Folder of the base model (config.json, *.safetensors, tokenizer.json) or a .gguf file, relative to the plan file; or hf:owner/name[@revision][/file.gguf], downloaded once."
  ),
  weights: packedWeights
}).annotate({ title: "CausalModel", description: "The causal language model to adapt." })
export type CausalModelSection = typeof CausalModelSection.Type

const packed = (byDefault: boolean) =>
  Schema.Boolean.annotate({
    expected: "true or false",
    description:
      "Whether to pack several texts into one row of a batch, each attending only to itself, instead of padding one text."
  }).pipe(withDefault(byDefault))

export const bucketPool = count(
  1,
  "Batches per pool. Shuffled rows are sorted by length, or packed, within a pool.",
  "batches"
).pipe(withDefault(8))

export const cutAt = (what: string) => integer(4, 131_072, what, "tokens").pipe(withDefault(512))

const columnOrTextExpected =
  "a column name, or a template with {column} placeholders, in which literal braces are doubled"

/** A column, or a text with columns in it. */
export const columnOrText = (what: string) =>
  text(
    columnOrTextExpected,
    `${what}: a column name, or a template with {column} placeholders, in which literal braces are doubled.`
  ).check(Schema.isPattern(/^(?:[^{}]|\{\{|\}\}|\{[^{}]+\})*$/u, { expected: columnOrTextExpected }))

const TemplateMessage = Schema.Struct({
  role: choice(["system", "user", "assistant"], "Role of the speaker."),
  content: columnOrText("Text of the message")
}).annotate({ expected: "{ role, content }", description: "A message built from the columns of a row." })

const day = /^\d{4}-\d{2}-\d{2}$/u

/** Fields of conversations of any kind. */
export const conversationFields = {
  tools: Schema.optionalKey(
    column(
      "Column with the tools that the assistant may call, a list of { type: function, function: { name, description, parameters } }. Default: the column tools, if there is one."
    )
  ),
  system: Schema.optionalKey(text("a system message", "System message for every conversation that does not have one.")),
  chatTemplate: Schema.optionalKey(
    text(
      "a path to a .jinja file",
      "Chat template to use instead of the checkpoint's; relative to the plan file. The run keeps a copy for generate, chat, serve and export."
    )
  ),
  templateValues: Schema.optionalKey(
    Schema.Record(Schema.String, Schema.Json).annotate({
      expected: "an object",
      description: 'Variables for the chat template, such as { "enable_thinking": false }.'
    })
  ),
  templateDate: Schema.optionalKey(
    text(
      "a date, YYYY-MM-DD",
      "Today's date for chat templates that use it. Default: the day on which the run starts."
    ).check(Schema.isPattern(day, { expected: "a date, YYYY-MM-DD" }))
  ),
  reasoning: choice(
    ["learn", "drop"],
    "Whether to learn the assistant's reasoning (reasoning_content, thinking, or <think> … </think> before the answer) or remove it from the rows."
  ).pipe(withDefault("learn"))
}

/** Schema of `data` with `format: "chat"`: conversations, whose assistant turns are learned. */
export const ChatData = Schema.Struct({
  format: Schema.Literal("chat").annotate({
    description: "Conversations, formatted with the checkpoint's chat template."
  }),
  ...splits,
  mapping: choice(
    ["openai", "sharegpt", "alpaca"],
    "Layout of the conversations: openai (a list of { role, content }), sharegpt (a list of { from, value }) or alpaca (columns instruction, input, output and system)."
  ).pipe(withDefault("openai")),
  messages: Schema.optionalKey(
    Schema.Union([
      column("Column with the list of messages."),
      listOf(1, TemplateMessage, "a list of { role, content }", "Messages built from columns.")
    ]).annotate({
      expected: "a column name, or a list of { role, content }",
      description:
        "Column with the list of messages, or messages built from other columns. Default: messages (openai) or conversations (sharegpt)."
    })
  ),
  ...conversationFields,
  lossOn: choice(
    ["assistant", "last", "all"],
    "Tokens that count in the loss: all assistant turns including their end tokens, only the last assistant turn, or every token."
  ).pipe(withDefault("assistant")),
  turns: Schema.optionalKey(
    choice(
      ["together", "apart"],
      "Whether to learn all turns of a conversation in one example (together) or each in a separate example after the exact prompt that generation would use (apart). Default: together if the chat template formats every turn as it would be generated, otherwise apart."
    )
  ),
  maxLength: cutAt("Maximum tokens per conversation; the end is cut off."),
  packing: packed(false),
  bucketPool
}).annotate({ title: "Chat data", description: "Conversations, and how to batch them." })
export type ChatData = typeof ChatData.Type

/** Schema of `data` with `format: "completion"`: prompts and their completions. */
export const CompletionData = Schema.Struct({
  format: Schema.Literal("completion").annotate({ description: "Prompts and their completions." }),
  ...splits,
  prompt: columnOrText("The prompt").pipe(withDefault("prompt")),
  completion: columnOrText("The text after the prompt, joined without a separator; an end-of-text token is added").pipe(
    withDefault("completion")
  ),
  lossOn: choice(
    ["completion", "all"],
    "Tokens that count in the loss: the completion and the end-of-text token, or the prompt as well."
  ).pipe(withDefault("completion")),
  maxLength: cutAt("Maximum tokens of prompt and completion; the end is cut off."),
  packing: packed(false),
  bucketPool
}).annotate({ title: "Completion data", description: "Prompts with completions, and how to batch them." })
export type CompletionData = typeof CompletionData.Type

/** Schema of `data` with `format: "text"`: texts; every token counts in the loss. */
export const TextData = Schema.Struct({
  format: Schema.Literal("text").annotate({ description: "Texts; every token counts in the loss." }),
  ...splits,
  text: column("Column with the text.").pipe(withDefault("text")),
  maxLength: cutAt("Maximum tokens per row; longer texts are split into several rows."),
  packing: packed(true),
  bucketPool
}).annotate({ title: "Text data", description: "Texts, and how to batch them." })
export type TextData = typeof TextData.Type

/** Schema of `data` of causal language models, by `format`. */
export const CausalData = Schema.Union([ChatData, CompletionData, TextData]).annotate({
  description: "Training data of a causal language model."
})
export type CausalData = typeof CausalData.Type

/** Returns the column with the messages of a conversation; it depends on the mapping if the plan does not name it. */
export const messagesColumn = ({ messages, mapping }: Pick<ChatData, "messages" | "mapping">): string =>
  typeof messages === "string" ? messages : mapping === "sharegpt" ? "conversations" : "messages"

/** Schema of plans for a causal language model over conversations, completions or texts. */
export const CausalPlan = planOf(
  CausalModelSection,
  CausalData,
  "CausalPlan",
  "A training run of a causal language model."
)
export type CausalPlan = typeof CausalPlan.Type

/** Rules for every plan of a causal language model. */
export const languageModelRules: ReadonlyArray<Rule<AnyPlan>> = [
  formatFitsTheModel(noTopology),
  somethingIsAdapted("a causal language model")
]

export const causalPlans: PlanKind<"chat" | "completion" | "text", CausalPlan, typeof CausalPlan> = {
  formats: { chat: CausalPlan, completion: CausalPlan, text: CausalPlan },
  rules: languageModelRules
}
