/** Plans: from a file to something that can run, and what it is in words. */
export { describePlan, planJson } from "./describe.ts"
export { describePlanned } from "./describe-planned.ts"
export { calibrationOfPlan, injectPlan, injectToRestore, loadOptionsOf } from "./inject.ts"
export type { MemoryEstimate, TrainableCounts } from "./memory.ts"
export { type PlanFile, PlanFileError, planFromValue, readPlan, relocate } from "./read.ts"
export { resolve } from "./resolve.ts"
export {
  isResolvedCausal,
  type ResolvedArraysPlan,
  type ResolvedCausalPlan,
  type ResolvedClassificationPlan,
  type ResolvedPlan,
  ResolveError,
  type SiteOptions
} from "./resolved.ts"
export { type Adaptable, methodOf, selectSites } from "./select-sites.ts"
