/** What plans over texts and a Hugging Face encoder share, whatever is learned: the model's source, a head, the length of texts. */
import * as Schema from "effect/Schema"
import { factsOfInit } from "../adapter-init.ts"
import { choice, count, integer, text, withDefault } from "../fields.ts"
import { packedWeights } from "../model.ts"
import { type Rule, rule } from "../problems.ts"
import { type AnyPlan, column, formatFitsTheModel, noTopology } from "./plan.ts"

/** A pooled hidden state and a linear head over it; `kind` says what its outputs are. */
export const headTask = <Kind extends string>(kind: Kind, what: string, title: string) =>
  Schema.Struct({
    kind: Schema.Literal(kind).annotate({ description: what }),
    pooling: choice(
      ["mean", "pooler"],
      "What the head sees: the mean of the last hidden states over the tokens, or the checkpoint's pooler (dense + tanh on the first token)."
    ).pipe(withDefault("mean")),
    headInit: choice(
      ["normal", "zeros", "checkpoint"],
      'How the head starts: weights N(0, 0.02²) and bias 0, all zeros, or the checkpoint\'s own classifier (needs pooling "pooler").'
    ).pipe(withDefault("normal"))
  }).annotate({ title, description: "What the model is trained to do." })

/** The `model` section of a kind over encoders. */
export const encoderSection = <Task extends Schema.Top>(task: Task) =>
  Schema.Struct({
    source: text(
      "a path to a Hugging Face model folder, or hf:owner/name",
      "Folder of the base model (config.json, *.safetensors, tokenizer.json), relative to the plan file; or hf:owner/name[@revision], which is fetched once."
    ),
    task,
    weights: packedWeights
  }).annotate({ title: "Model", description: "Which base is adapted, and for which task." })

/** The column of a text, or of two. */
export const texts = {
  text: column("Column that holds the text.").pipe(withDefault("text")),
  textPair: Schema.optionalKey(
    column(
      "Column that holds a second text, where rows are pairs of texts: a premise and a hypothesis, a question and an answer. Absent: rows have one text."
    )
  )
}

export const textLengths = {
  maxLength: integer(
    4,
    8192,
    "Tokens of a text, or of a pair of texts together, at most, special tokens included; the rest is cut off, of a pair the longer text first.",
    "tokens"
  ).pipe(withDefault(128)),
  bucketPool: count(
    1,
    "Batches per pool: shuffled rows are sorted by length within a pool, so that a batch holds texts of similar length.",
    "batches"
  ).pipe(withDefault(8))
}

interface HeadedPlan extends AnyPlan {
  readonly model: AnyPlan["model"] & {
    readonly task: { readonly pooling: "mean" | "pooler"; readonly headInit: "normal" | "zeros" | "checkpoint" }
  }
}

/** What holds of the source of every encoder. */
export const encoderSource = formatFitsTheModel<AnyPlan>((source) => {
  if (/\.gguf(@[^/]*)?$/.test(source))
    return '; expected the folder of an encoder there, or "chat", "completion", "text" or "preference" here'
  return noTopology(source)
})

/** Rules about encoders under a head. */
export const headRules: ReadonlyArray<Rule<HeadedPlan>> = [
  rule("gradient-reaches-the-sites", "model.task.headInit", ({ adapter, model: { task } }) =>
    "init" in adapter &&
    factsOfInit(adapter.init).calibration?.(adapter.init).what === "gradient" &&
    task.headInit === "zeros"
      ? `found "zeros" with adapter.init "${adapter.init.kind}", which needs the gradient of the first batches: through a head of zeros every layer's is 0; expected "normal" or "checkpoint" here, or another init`
      : undefined
  ),
  rule("checkpoint-head-needs-pooler", "model.task.headInit", ({ model: { task } }) =>
    task.headInit === "checkpoint" && task.pooling !== "pooler"
      ? `found "checkpoint" with pooling "${task.pooling}"; a checkpoint's classifier reads its pooler: set model.task.pooling to "pooler", or headInit to "normal" or "zeros"`
      : undefined
  ),
  encoderSource
]
