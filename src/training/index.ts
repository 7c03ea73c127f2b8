/**
 * Training. `steps` turns a stream of batches into a stream of step reports; `openSession` and `takeStep` take single steps;
 * `crossEntropy` is the loss of a classifier; `evaluate` scores batches.
 */
export { backward, backwardWithFull, type FullGradients, fullGradients, type WithFullGradients } from "./backward.ts"
export { type CalibratingOptions, calibrating } from "./calibrate.ts"
export { determination, meanError, pearson, spearman } from "./correlation.ts"
export {
  type DiagnoseOptions,
  type DiagnosticsReport,
  diagnose,
  type FactorSpectrum,
  type MeanDiagnostics,
  type MethodNearness,
  type Nearness,
  PASS_BYTES,
  type ProbedSites,
  type ProbeOptions,
  probedProblems,
  probedSites,
  type SiteDiagnostics,
  type TheoremCheck
} from "./diagnostics/index.ts"
export { bytesPerRank, dividedRounds } from "./divided-rounds.ts"
export {
  type ClassEvaluation,
  type ClassedRow,
  type ClassifiedRows,
  type Classifier,
  type Evaluation,
  evaluate,
  evaluateClasses,
  keepMistakes,
  keepWorst,
  logitsOf,
  logitsOfRows,
  type Mistake,
  type Mistakes,
  type Scored,
  type ScoredBatch,
  type WrongRow,
  wrongRows
} from "./evaluation.ts"
export { FoundRate, passesText, withRate } from "./found-rate.ts"
export { type LabelLossOptions, labelCrossEntropy } from "./label-loss.ts"
export { binaryCrossEntropy, crossEntropy, type Loss, squaredError } from "./loss.ts"
export {
  crossEntropyMetric,
  formatMetric,
  inWords,
  type Metric,
  type Metrics,
  numberMetric,
  scoreOf,
  scoresText,
  share
} from "./metrics.ts"
export { findRate } from "./rate.ts"
export { combined, macroF1Of, overAll, type RowScore, type RowScores, ratioOf, rowsOf } from "./row-scores.ts"
export { openSession, openSettled, type Session } from "./session.ts"
export type { SessionOptions } from "./session-options.ts"
export { restoredState, type StoredState, sharedState, stateProblem, storedState } from "./state-tree.ts"
export { applyUpdates, Diverged, NotFinite, refresh, type StepError, takeStep, takeSteps, updatesOf } from "./step.ts"
export type { Health, SiteSummary, StepReport } from "./step-report.ts"
export { type DueProbe, type StepsOptions, sessionSteps, steps, takeNextStep } from "./steps.ts"
export {
  countedTokens,
  evaluateTokens,
  evaluateTokensAnd,
  type LanguageModel,
  type TokenEvaluation,
  tokenCrossEntropy,
  tokenSums
} from "./tokens.ts"
