/**
 * Conversations, completions or texts, for a causal language model.
 *
 *   "model": { "source": "../models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" }
 *   "data": { "format": "chat", "train": "chats.jsonl", "mapping": "sharegpt", "maxLength": 1024 }
 *   "data": { "format": "completion", "train": "sums.csv", "prompt": "question", "completion": "answer" }
 *   "data": { "format": "text", "train": "speeches.parquet" }
 */
import * as Schema from "effect/Schema"
import { choice, count, integer, text, withDefault } from "../fields.ts"
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

/** Schema of `data` with `format: "completion"`: prompts and what follows them. */
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
  messages ?? (mapping === "sharegpt" ? "conversations" : "messages")

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
