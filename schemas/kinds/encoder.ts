/** What plans over texts and a Hugging Face encoder share, whatever is learned: the model's source, a head, the length of texts. */
import * as Schema from "effect/Schema"
import { factsOfInit } from "../adapter-init.ts"
import { choice, count, integer, text, withDefault } from "../fields.ts"
import { type Head, head, packedWeights } from "../model.ts"
import { type Rule, rule } from "../problems.ts"
import { type AnyPlan, column, formatFitsTheModel, noTopology } from "./plan.ts"

/** Returns the schema of `model.task` for a linear head on the pooled hidden state; `kind` names its outputs. */
export const headTask = <Kind extends string>(kind: Kind, what: string, title: string) =>
  Schema.Struct({
    kind: Schema.Literal(kind).annotate({ description: what }),
    pooling: choice(
      ["mean", "pooler"],
      "Input of the head: the mean of the last hidden states over the tokens, or the checkpoint's pooler (dense + tanh on the first token)."
    ).pipe(withDefault("mean"))
  }).annotate({ title, description: "What the model is trained to do." })

/** `head`, for `model` sections whose task has one. */
export const headOfTask = { head: Schema.optionalKey(head) }

/** Returns the schema of `model` for a kind over encoders. `head`: `headOfTask` if its task has one. */
export const encoderSection = <Task extends Schema.Top, Head extends Schema.Struct.Fields = Record<never, never>>(
  task: Task,
  head: Head = {} as Head
) =>
  Schema.Struct({
    source: text(
      "a path to a Hugging Face model folder, or hf:owner/name",
      "Folder of the base model (config.json, *.safetensors, tokenizer.json), relative to the plan file; or hf:owner/name[@revision], downloaded once."
    ),
    task,
    ...head,
    weights: packedWeights
  }).annotate({ title: "Model", description: "The base model to adapt, and its task." })

/** Column fields of one text, or of a pair. */
export const texts = {
  text: column("Column with the text.").pipe(withDefault("text")),
  textPair: Schema.optionalKey(
    column(
      "Column with a second text, for rows that are pairs: premise and hypothesis, question and answer. Default: none, rows have one text."
    )
  )
}

/** Returns the schema of the maximum length of texts. */
export const textLength = (description: string) => integer(4, 8192, description, "tokens").pipe(withDefault(128))

export const textLengths = {
  maxLength: textLength(
    "Maximum tokens per text, or per pair of texts, including special tokens. The rest is cut off, from the longer text of a pair first."
  ),
  bucketPool: count(
    1,
    "Batches per pool. Shuffled rows are sorted by length within a pool, so that a batch holds texts of similar length.",
    "batches"
  ).pipe(withDefault(8))
}

interface HeadedPlan extends AnyPlan {
  readonly model: AnyPlan["model"] & {
    readonly task: { readonly kind: string; readonly pooling?: "mean" | "pooler" }
    readonly head?: Head
  }
}

/** Rule for the source of every encoder. */
export const encoderSource = formatFitsTheModel<AnyPlan>((source) => {
  if (/\.gguf(@[^/]*)?$/.test(source))
    return '; set model.source to the folder of an encoder, or data.format to "chat", "completion", "text" or "preference"'
  return noTopology(source)
})

/** Rules for encoders with a head. */
export const headRules: ReadonlyArray<Rule<HeadedPlan>> = [
  rule("gradient-reaches-the-sites", "model.head", ({ adapter, model: { head } }) =>
    "init" in adapter && factsOfInit(adapter.init).calibration?.(adapter.init).what === "gradient" && head === "zeros"
      ? `found "zeros" with adapter.init "${adapter.init.kind}", which needs the gradient of the first batches: with a head of zeros all gradients are 0; expected "new" or "checkpoint", or another init`
      : undefined
  ),
  rule("checkpoint-head-needs-pooler", "model.head", ({ model: { task, head } }) =>
    head === "checkpoint" && task.pooling === "mean"
      ? `found "checkpoint" with pooling "${task.pooling}"; a checkpoint's classifier requires its pooler: set model.task.pooling to "pooler", or model.head to "new" or "zeros"`
      : undefined
  ),
  encoderSource
]
