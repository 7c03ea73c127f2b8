/**
 * Texts and what is to be written for them, for an encoder-decoder.
 *
 *   "model": { "source": "hf:google-t5/t5-base" }
 *   "data": { "format": "seq2seq", "train": "pairs.jsonl", "source": "question", "target": "answer", "prefix": "answer: " }
 */
import * as Schema from "effect/Schema"
import { integer, text, withDefault } from "../fields.ts"
import { packedWeights } from "../model.ts"
import { bucketPool, cutAt } from "./causal.ts"
import { labelList } from "./labels.ts"
import { column, formatFitsTheModel, noTopology, type PlanKind, planOf, somethingIsAdapted, splits } from "./plan.ts"

/** Schema of `model` for an encoder-decoder. */
export const Seq2SeqModelSection = Schema.Struct({
  source: text(
    "a path to a Hugging Face model folder, or hf:owner/name",
    "Folder of the base model (config.json, *.safetensors, tokenizer.json), relative to the plan file; or hf:owner/name[@revision], downloaded once."
  ),
  weights: packedWeights
}).annotate({ title: "Seq2SeqModel", description: "The encoder-decoder to adapt." })
export type Seq2SeqModelSection = typeof Seq2SeqModelSection.Type

/** Schema of `data` with `format: "seq2seq"`: input texts with target texts. */
export const Seq2SeqData = Schema.Struct({
  format: Schema.Literal("seq2seq").annotate({
    description: "Input texts with target texts."
  }),
  ...splits,
  source: column("Column with the input text.").pipe(withDefault("source")),
  target: column("Column with the target text.").pipe(withDefault("target")),
  prefix: Schema.optionalKey(
    text("a text", 'Prefix for every input text, as in the training of T5: "sst2 sentence: ".')
  ),
  targets: Schema.optionalKey(
    labelList(
      "The possible targets if there are few, such as the labels of GLUE; evaluations then report their accuracy and macro-F1. Default: the targets of the training rows if there are at most 20 different ones; otherwise evaluations report no macro-F1."
    )
  ),
  maxLength: cutAt("Maximum tokens per input text; the end is cut off."),
  maxTargetLength: integer(
    2,
    131_072,
    "Maximum tokens per target text, including the end token; the end is cut off.",
    "tokens"
  ).pipe(withDefault(128)),
  bucketPool
}).annotate({ title: "Seq2Seq data", description: "Texts with targets, and how to batch them." })
export type Seq2SeqData = typeof Seq2SeqData.Type

/** Schema of plans for an encoder-decoder over texts with targets. */
export const Seq2SeqPlan = planOf(
  Seq2SeqModelSection,
  Seq2SeqData,
  "Seq2SeqPlan",
  "A training run of an encoder-decoder over texts and their targets."
)
export type Seq2SeqPlan = typeof Seq2SeqPlan.Type

export const seq2seqPlans: PlanKind<"seq2seq", Seq2SeqPlan, typeof Seq2SeqPlan> = {
  formats: { seq2seq: Seq2SeqPlan },
  rules: [formatFitsTheModel(noTopology), somethingIsAdapted("an encoder-decoder")]
}
