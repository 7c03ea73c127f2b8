/** Training: the loop as a stream of step reports, losses and evaluation. */
export { type Evaluation, evaluate, logitsOf } from "./evaluate.ts"
export { crossEntropy, type Loss } from "./loss.ts"
export type { Health, SiteSummary, StepReport } from "./report.ts"
export { openSession, type Session, type SessionOptions } from "./session.ts"
export { Diverged, type StepError, step } from "./step.ts"
export { steps, stepsOf } from "./steps.ts"
