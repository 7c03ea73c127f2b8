/** Uses trained runs and adapters: loads them, predicts, evaluates and merges. */
export { type CellQuestion, type Cells, type LentRun, openCells } from "./cells.ts"
export {
  type Answer,
  type EvaluateGeneratedOptions,
  evaluateGenerated,
  evaluateRun,
  exactMatch,
  finalNumber,
  type GeneratedReport,
  type GeneratedScoreOptions,
  generatedScores,
  type Score
} from "./evaluate.ts"
export type { CallCounts, CallOutcome } from "./judge-calls.ts"
export type { TypedCounts, TypedOutcome } from "./judge-typed.ts"
export {
  type DialogueGrades,
  type DialogueReport,
  type JudgeDialoguesOptions,
  judgeDialogues
} from "./judged-dialogues.ts"
export { isAdapter, type LoadAdapterOptions, loadAdapter } from "./load-adapter.ts"
export { adapterFileAt, isOfLayersModel, loadAdapterFile } from "./load-adapter-file.ts"
export { loadMerged } from "./load-merged.ts"
export { type DescribedRun, type LoadedRun, loadRun } from "./load-run.ts"
export {
  describeTrained,
  type Embedder,
  loadCausalRun,
  loadEmbedder,
  loadTrained,
  type WritingRun,
  writingRun
} from "./load-trained.ts"
export { type MergeOptions, type MergeReport, mergeLoaded, mergeRun, writeMergedRun } from "./merge-run.ts"
export { columnsSaid, openPredicted, type PredictedRow, predictedRows, predictFile } from "./predict-file.ts"
export { RunError } from "./run-identity.ts"
export {
  type AnsweringModel,
  type RunSuiteOptions,
  runSuite,
  type SuiteAnswer,
  type SuiteMetric,
  type SuiteRecord,
  type SuiteReport,
  SuiteText,
  suiteIdentity
} from "./run-suite.ts"
