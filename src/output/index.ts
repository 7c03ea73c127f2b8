/** Run folders, metrics and adapters. `savePeft` writes an adapter that Hugging Face PEFT loads. */

export { FileError } from "../files/index.ts"
export {
  AdapterError,
  type PeftOptions,
  peftReader,
  restoreAdapter,
  saveAdapter,
  savePeft,
  saveTensors
} from "./adapter-folder.ts"
export { hubNameOf } from "./base-name.ts"
export { CheckpointError, CheckpointMisfit, Ranks, restoreCheckpoint } from "./checkpoint-read.ts"
export { type Checkpoints, openCheckpoints, removeCheckpoints, restoreTrainedOf } from "./checkpoints.ts"
export {
  adapterFiles,
  type BaseIdentity,
  baseIdentity,
  dataInputs,
  decidesTraining,
  fromInputs,
  GENERATION_INPUT,
  type InputFile,
  Inputs,
  inputDifferences,
  inputsOf,
  modelInputs,
  recordOf,
  unchangedBase
} from "./inputs.ts"
export {
  copyCompanions,
  labelsOfConfig,
  mergedClass,
  openMerged,
  type ProblemType,
  withoutUntrue,
  writeMerged
} from "./merge.ts"
export {
  CHECKED_ROWS,
  changeOf,
  checkedSplit,
  compareOutputs,
  MERGE_BOUND,
  type MergeCheck,
  type MergedCard,
  MergeRefused,
  mergedCard,
  type OutputWords,
  trainedFor,
  type WrittenModel
} from "./merge-check.ts"
export { causalMergedClass, causalTokenizerUse, mergedCausalConfig, writeMergedCausal } from "./merged-causal.ts"
export { writeMergedConfig } from "./merged-config.ts"
export { writeMergedFolder } from "./merged-folder.ts"
export { roundedParameters, type TensorCounts, trainedParameters } from "./merged-tensors.ts"
export {
  type CardKind,
  type CardParts,
  type CardSource,
  codeSpan,
  fenced,
  fileName,
  inTypeScript,
  markdown,
  python
} from "./model-card/card-source.ts"
export { writeModelCard } from "./model-card.ts"
export {
  type Baseline,
  type Baselines,
  baselineText,
  checkpointText,
  type Kept,
  noBetterText,
  type Stopped,
  shortfallText,
  stoppedText,
  warningTexts
} from "./outcome.ts"
export { peftConfig } from "./peft/config.ts"
export { inLlamaCpp } from "./peft/llama-cpp.ts"
export { OwnPlotLibrary, ReportError, writeReport } from "./report/index.ts"
export {
  continueRun,
  type FoundRun,
  findRun,
  isAsReported,
  NoCheckpoint,
  PlanChanged,
  planDifferences
} from "./resume.ts"
export { appendMetrics, type EvaluationReport, finishRun, openRun, planIn, type Run, type RunReport } from "./run.ts"
export { checkFree, lockRun, type RunFolder, RunFolderExists, RunLocked, runFolder } from "./run-folder.ts"
export type { TokenizerUse } from "./tokenizer-config.ts"
export { Versions, versions, versionsNote } from "./versions.ts"
