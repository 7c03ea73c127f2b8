/** From a resolved plan to a run: its session and steps, its evaluations, what it says on the way and what it shows at the end. */
export { evaluateSplit, evaluatorOf } from "./evaluator.ts"
export { adaptPlan, openPlanSession, stepsOfPlan } from "./plan-session.ts"
export { presentRun } from "./presentation.ts"
export { type Listener, Progress, type ProgressEvent } from "./progress.ts"
export { savedOnFailure } from "./saved-on-failure.ts"
