/** Fair comparisons of several methods on one plan: a study, its runs as a durable workflow, and a verdict. */
export { type Asked, checkStudy, countTrials, questionOf, StudyError } from "./ask.ts"
export { type Coordinated, coordinate, WorkerFailed } from "./coordinate.ts"
export { queueLayer } from "./database.ts"
export { type LiveTable, liveTable } from "./live.ts"
export { formatValue, type Measure, measureOf } from "./measure.ts"
export { comparedMethods, DEFAULT_METHODS, methodNames } from "./methods.ts"
export { ownProgram, type Program } from "./own-process.ts"
export {
  parseStorage,
  type Storage,
  StorageError,
  shownStorage,
  storageError,
  storageLayer,
  writtenStorage
} from "./storage.ts"
export { BestRate, Discrepancy, type Question, Score, Stage, Strategy, Study, Trial, TrialResult } from "./study.ts"
export {
  finishedResults,
  openStudyFolder,
  readStudyFolder,
  resultsSoFar,
  StudyExists,
  type StudyFolder
} from "./study-folder.ts"
export { TrialTrouble } from "./trial-run.ts"
export { trialNamed } from "./trials.ts"
export {
  bestRates,
  type Intervals,
  labelOf,
  markdownOf,
  type Verdict,
  type VerdictTexts,
  verdictJson,
  verdictTexts,
  writeVerdict
} from "./verdict/index.ts"
export { serveDatabase, serveStudy } from "./worker.ts"
