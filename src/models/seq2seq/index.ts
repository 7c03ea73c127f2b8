/**
 * Models that read one text and write another, from a folder to the loaded model.
 *
 * @example
 * import { Effect } from "effect"
 * import { Seq2Seq } from "tfjs-lora-pro/models"
 *
 * const model = Effect.flatMap(Seq2Seq.describeSeq2Seq("./t5-small"), (description) =>
 *   Seq2Seq.loadSeq2Seq(description, { seed: 0 })
 * )
 */
export { seq2seqFamilies } from "./families.ts"
export {
  describeSeq2Seq,
  type LoadSeq2SeqOptions,
  loadSeq2Seq,
  openSeq2SeqModel,
  seq2seqToDevice,
  seq2seqTokenizer
} from "./open-seq2seq.ts"
export type {
  AttendSoFar,
  EncoderDecoder,
  Seq2SeqDescription,
  Seq2SeqFamily,
  Seq2SeqInput,
  Seq2SeqModel
} from "./seq2seq-model.ts"
