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

/** A model that reads one text and writes another. */
export const Seq2SeqModelSection = Schema.Struct({
  source: text(
    "a path to a Hugging Face model folder, or hf:owner/name",
    "Folder of the base model (config.json, *.safetensors, tokenizer.json), relative to the plan file; or hf:owner/name[@revision], which is fetched once."
  ),
  weights: packedWeights
}).annotate({ title: "Seq2SeqModel", description: "Which encoder-decoder is adapted." })
export type Seq2SeqModelSection = typeof Seq2SeqModelSection.Type

/** Schema of `data` with `format: "seq2seq"`: a text that is read and one that is written for it. */
export const Seq2SeqData = Schema.Struct({
  format: Schema.Literal("seq2seq").annotate({
    description: "Texts that are read, and texts that are written for them."
  }),
  ...splits,
  source: column("Column that holds the text that is read.").pipe(withDefault("source")),
  target: column("Column that holds the text that is to be written.").pipe(withDefault("target")),
  prefix: Schema.optionalKey(
    text("a text", 'Put before every text that is read, as T5 was trained with: "sst2 sentence: ".')
  ),
  targets: Schema.optionalKey(
    labelList(
      "The targets, where there are few of them, as the labels of GLUE are: evaluations then say accuracy and macro-F1 of them. Absent: those of the training rows, where there are at most 20; evaluations of other rows say no macro-F1."
    )
  ),
  maxLength: cutAt("Tokens of a text that is read at most; its end is cut off."),
  maxTargetLength: integer(
    2,
    131_072,
    "Tokens of a text that is written at most, the last one included; its end is cut off.",
    "tokens"
  ).pipe(withDefault(128)),
  bucketPool
}).annotate({ title: "Seq2Seq data", description: "Texts with targets and how they become batches." })
export type Seq2SeqData = typeof Seq2SeqData.Type

/** An encoder-decoder, and texts with targets. */
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
