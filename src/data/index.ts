/**
 * Rows from files and other sources, and their batches. `classification` reads labelled texts, `rows` validates against any schema, `records` reads unchanged
 * rows, `validated` validates a stream; `tokenize` and `batch` prepare rows for a model; `memoryFiles` and `fetchFiles` provide files in a page.
 */
export type { TokenRows as Batch } from "../tensors/index.ts"
export {
  type ArrayBatch,
  arrayBatchOf,
  arrayEvaluationBatches,
  arrayTrainingBatches,
  listIn,
  numbersProblem,
  openArrays,
  readNumbers
} from "./arrays.ts"
export { type Batching, type Numbered, type PoolOptions, pooledBatches, stretchedBatches } from "./batching.ts"
export * as Causal from "./causal/index.ts"
export {
  type ClassificationData,
  labelCounts,
  labelProblems,
  openClassification,
  type SplitDescription,
  tooManyLabels,
  unseenLabels
} from "./classification.ts"
export { columnText } from "./column-text.ts"
export {
  type Broken,
  type Fields,
  isBroken,
  isFields,
  kindOf,
  missingColumn,
  notAnObject,
  stringField
} from "./columns.ts"
export {
  DataError,
  dataError,
  joinDataErrors,
  labelHint,
  mostProblems,
  quotedLabel,
  quotedLabels
} from "./data-error.ts"
export { type DataFile, DataFiles, fileOfBytes, type OpenDataFile } from "./file.ts"
export type { RowWriter } from "./formats/format.ts"
export {
  AskedSplit,
  type DialectFound,
  dialectsOf,
  filesOfRows,
  firstRows,
  isRowsName,
  isTableName,
  probedRows,
  rowWriter,
  type SampledRows,
  sampledRows
} from "./formats/index.ts"
export { headerProblem } from "./header-row.ts"
export { type FileKindName, listFolder, splitFolders, spread } from "./label-folders.ts"
export {
  type Columns,
  fieldOf,
  openLabelledFile,
  openTextFile,
  type RowTargets,
  type TextColumns,
  textOf
} from "./labelled-rows.ts"
export {
  type GuessLanguage,
  includesLanguage,
  LanguageGuesser,
  languageNames,
  languageOf
} from "./languages.ts"
export { FetchError, fetchFiles, type MemoryFiles, memoryFiles, rootedPaths, withoutHub } from "./memory-files.ts"
export { inputReader, matching, numberIn } from "./number-cells.ts"
export { type BatchPosition, batchesPerEpoch, epochOrder } from "./order.ts"
export { packageDataFiles } from "./own-files.ts"
export { type BatchOptions, batch, classification, tokenize } from "./pipeline.ts"
export { type PlaceOfRows, placeOfRows, stemOf } from "./places.ts"
export { PROBED_ROWS, type Reading, readings } from "./readings.ts"
export { placeOfRow, type RowReader, type Scanned, type ScannedSource, scanRows } from "./scan.ts"
export {
  type ClassificationSplit,
  classificationSplit,
  type Example,
  fromRows,
  inParts,
  type LabelledText,
  type LabelledTextSource,
  type Located,
  type RowSource,
  subset,
  type TextFields,
  type TokenizedText
} from "./source.ts"
export {
  type BySplit,
  describedSplits,
  LeakListener,
  mapSplits,
  openSplitFiles,
  repeatWarnings,
  rowsOfSplits,
  type SplitSection,
  sourceOf
} from "./splits.ts"
export {
  type LabelsText,
  labelledTargets,
  labelsOf,
  labelTargets,
  numberTargets,
  padTargets,
  setOf,
  type TargetBatch,
  type TargetRows,
  type TargetText,
  targetBatches,
  targetExamples,
  targetTrainingBatches,
  unknownTargets
} from "./target-rows.ts"
export {
  batchesOfRows,
  type EvaluationBatch,
  type EvaluationBatchOptions,
  evaluationBatches,
  lengthBatches,
  type Padding,
  padBatch,
  padTexts,
  type TrainingBatch,
  type TrainingBatchOptions,
  trainingBatches
} from "./text-batches.ts"
export { DataDialect } from "./text-file.ts"
export {
  encoded,
  type LengthPercentiles,
  lengthPercentiles,
  type TextTokenizer,
  tokenizeRows,
  tokenizeTexts
} from "./tokenize.ts"
export { folderTree, openTree, placeInArchive } from "./tree.ts"
export { type CheckedRows, openChecked, type Placed, placed, records, rows, validated } from "./values.ts"
