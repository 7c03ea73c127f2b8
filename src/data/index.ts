/** Data: files and other sources of labelled texts, and how they become batches. */
export { type ArrayBatch, arrayEvaluationBatches, arrayTrainingBatches, openArrays, readNumbers } from "./arrays.ts"
export * as Causal from "./causal/index.ts"
export { type ClassificationData, openClassification, type SplitDescription } from "./classification.ts"
export { type ClassificationSplit, classificationSplit } from "./classification-split.ts"
export { openCsv } from "./csv.ts"
export { DataError, dataError } from "./data-error.ts"
export { type DataFile, fileOfBytes } from "./data-file.ts"
export { type EvaluationBatch, type EvaluationBatchOptions, evaluationBatches } from "./evaluation-batches.ts"
export { DataFiles, type OpenDataFile } from "./file.ts"
export { openJsonl } from "./jsonl.ts"
export type { Columns } from "./labelled-fields.ts"
export { openLabelledFile } from "./labelled-file.ts"
export { type LengthPercentiles, lengthPercentiles } from "./length-percentiles.ts"
export { epochOrder } from "./order.ts"
export { type Padding, padBatch } from "./padding.ts"
export { type BatchOptions, batch, classification, tokenize } from "./pipeline.ts"
export { type Placed, placed, records } from "./placed.ts"
export type { Batch, Example, LabelledText } from "./row.ts"
export type { ScannedSource } from "./scan.ts"
export { fromRows, type LabelledTextSource, subset } from "./source.ts"
export { rows, validated } from "./standard-schema.ts"
export { type TextTokenizer, tokenizeRows } from "./tokenize.ts"
export {
  type BatchPosition,
  batchesPerEpoch,
  type TrainingBatch,
  type TrainingBatchOptions,
  trainingBatches
} from "./training-batches.ts"
