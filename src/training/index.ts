/** Training: the loop as a stream of step reports, losses and evaluation. */
export { type Evaluation, evaluate, logitsOf, type ScoredBatch } from "./evaluate.ts"
export { crossEntropy, type Loss } from "./loss.ts"
export { keepMistakes, type Mistake, type Mistakes } from "./mistakes.ts"
export type { Health, SiteSummary, StepReport } from "./report.ts"
export { openSession, type Session, type SessionOptions } from "./session.ts"
export { Diverged, NotFinite, type StepError, step, stepsTogether } from "./step.ts"
export { type StepsOptions, steps, stepsOf } from "./steps.ts"
