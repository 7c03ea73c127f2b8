/** Plans: from a file to something that can run, and what it is in words. */
export { describePlan, planJson } from "./describe.ts"
export { injectPlan, injectToRestore, loadOptionsOf, wantedByPlan } from "./inject.ts"
export type { MemoryEstimate, TrainableCounts } from "./memory.ts"
export { type PlanFile, PlanFileError, planFromValue, readPlan, relocate } from "./read.ts"
export { type ResolvedPlan, ResolveError, resolve, type SiteOptions, selectSites } from "./resolve.ts"
