/** What plans over texts and a Hugging Face encoder share, whatever is learned: the model's source, a head, the length of texts. */
import * as Schema from "effect/Schema"
import { factsOfInit } from "../adapter-init.ts"
import { choice, count, integer, text, withDefault } from "../fields.ts"
import { type Head, head, packedWeights } from "../model.ts"
import { type Rule, rule } from "../problems.ts"
import { type AnyPlan, column, formatFitsTheModel, noTopology } from "./plan.ts"

/** A pooled hidden state and a linear head over it; `kind` says what its outputs are. */
export const headTask = <Kind extends string>(kind: Kind, what: string, title: string) =>
  Schema.Struct({
    kind: Schema.Literal(kind).annotate({ description: what }),
    pooling: choice(
      ["mean", "pooler"],
      "What the head sees: the mean of the last hidden states over the tokens, or the checkpoint's pooler (dense + tanh on the first token)."
    ).pipe(withDefault("mean"))
  }).annotate({ title, description: "What the model is trained to do." })

/** The field of sections whose task has a head. */
export const headOfTask = { head: Schema.optionalKey(head) }

/** The `model` section of a kind over encoders. `head`: `headOfTask` where its task has one. */
export const encoderSection = <Task extends Schema.Top, Head extends Schema.Struct.Fields = Record<never, never>>(
  task: Task,
  head: Head = {} as Head
) =>
  Schema.Struct({
    source: text(
      "a path to a Hugging Face model folder, or hf:owner/name",
      "Folder of the base model (config.json, *.safetensors, tokenizer.json), relative to the plan file; or hf:owner/name[@revision], which is fetched once."
    ),
    task,
    ...head,
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
    readonly task: { readonly pooling: "mean" | "pooler" }
    readonly head?: Head
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
  rule("gradient-reaches-the-sites", "model.head", ({ adapter, model: { head } }) =>
    "init" in adapter && factsOfInit(adapter.init).calibration?.(adapter.init).what === "gradient" && head === "zeros"
      ? `found "zeros" with adapter.init "${adapter.init.kind}", which needs the gradient of the first batches: through a head of zeros every layer's is 0; expected "new" or "checkpoint" here, or another init`
      : undefined
  ),
  rule("checkpoint-head-needs-pooler", "model.head", ({ model: { task, head } }) =>
    head === "checkpoint" && task.pooling !== "pooler"
      ? `found "checkpoint" with pooling "${task.pooling}"; a checkpoint's classifier reads its pooler: set model.task.pooling to "pooler", or this to "new" or "zeros"`
      : undefined
  ),
  encoderSource
]
