/** Data for models that read one text and write another, and its batches. */
export {
  padSeq2Seq,
  type Seq2SeqEncoding,
  type Seq2SeqEvaluationBatch,
  type Seq2SeqExample,
  seq2seqEvaluationBatches,
  seq2seqExamples,
  seq2seqTrainingBatches,
  sidesOf
} from "./batches.ts"
export {
  type OpenedSeq2Seq,
  openSeq2Seq,
  type Seq2SeqSplit,
  type SourceTarget,
  type SourceTargetSplit
} from "./open.ts"
