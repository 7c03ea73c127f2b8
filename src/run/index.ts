/** Runs a resolved plan: its session and steps, its evaluations, its messages and its final report. */

export { checkAlike, checkAskedAlike, planDifferences, RanksDiffer } from "./alike.ts"
export { chooseState } from "./choice.ts"
export { beginFromAdapter } from "./continued.ts"
export { presentRun, savedOnFailure } from "./ending.ts"
export { evaluateSplit, evaluatorOf } from "./evaluator.ts"
export { foundByFirst, openedByFirst, spokenByFirst } from "./first-rank.ts"
export { baselinesOf, lookAtThird, stepRecordOf, warningsOf } from "./guard.ts"
export { adaptPlan, type DecidedRate, decideRate, loadPlanModel, openPlanSession, stepsOfPlan } from "./plan-session.ts"
export { type Listener, notice, Progress, type ProgressEvent, type Working, warn } from "./progress.ts"
export { reasonOf } from "./standing.ts"
