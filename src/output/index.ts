/** Output: the run folder, metrics, and adapters that Hugging Face PEFT reads. */

export { FileError } from "../files/index.ts"
export { AdapterError, peftReader, restoreAdapter, saveAdapter, saveTensors } from "./adapter-folder.ts"
export { type BaseIdentity, baseIdentity } from "./base-identity.ts"
export { restoreCheckpoint } from "./checkpoint-read.ts"
export { CheckpointError } from "./checkpoint-record.ts"
export { type Checkpoints, openCheckpoints } from "./checkpoints.ts"
export { continueRun, type FoundRun, findRun } from "./continue-run.ts"
export { openMerged, writeMerged } from "./merge.ts"
export {
  CHECKED_ROWS,
  checkedSplit,
  compareLogits,
  MERGE_BOUND,
  type MergeCheck,
  MergeRefused,
  type WrittenModel
} from "./merge-check.ts"
export { changeOf, type MergedCard, mergedCard } from "./merged-card.ts"
export { causalMergedClass, writeMergedCausal } from "./merged-causal.ts"
export { mergedClass } from "./merged-config.ts"
export type { TensorCounts } from "./merged-tensors.ts"
export { appendMetrics, type EvaluationReport } from "./metrics.ts"
export { readBaseCard } from "./model-card/base-card.ts"
export { type CardKind, type CardParts, type CardSource, fenced, fileName, python } from "./model-card/card-source.ts"
export { codeSpan, markdown } from "./model-card/markdown.ts"
export { writeModelCard } from "./model-card.ts"
export { FolderExists, inNewFolder } from "./new-folder.ts"
export { peftConfig } from "./peft/config.ts"
export { exportedName } from "./peft/exported-name.ts"
export { inLlamaCpp } from "./peft/llama-cpp.ts"
export { ReportError, writeReport } from "./report.ts"
export { NoCheckpoint, PlanChanged } from "./resume.ts"
export { finishRun, openRun, type Run, type RunReport } from "./run.ts"
export { checkFree, type RunFolder, RunFolderExists, runFolder } from "./run-folder.ts"
export { RunLocked } from "./run-lock.ts"
