/** Plans: from a file to a resolved plan; the weights that a plan adapts, and its memory estimate. */

export {
  calibrationOfPlan,
  countTrainable,
  injectPlan,
  injectToRestore,
  selectSites,
  stepsOf,
  withDecided,
  withRecorded
} from "./adapter.ts"
export { type Evaluations, evaluationsOf, ON_THE_WAY } from "./evaluations.ts"
export {
  bytesOfWeights,
  evaluatedRows,
  FLOAT,
  type MemoryEstimate,
  memoryEstimate,
  numbersIn,
  type TrainableCounts
} from "./memory.ts"
export {
  COMFORTABLE,
  FOUR_GIB,
  type MachineMemory,
  machineMemory,
  memoryWarnings
} from "./memory-limits.ts"
export { frozenBlocksOf, plannedPrefix, prefixText, withPrefix } from "./prefix.ts"
export {
  type OnConnection,
  type ProcessesEstimate,
  processesEstimate,
  processesProblem,
  type Travel,
  travelOf
} from "./processes.ts"
export { fromOf, type PlanFile, PlanFileError, planFromValue, readPlan, relocate, withInputs } from "./read.ts"
export {
  type Adaptable,
  type OpenedData,
  type PlannedPrefix,
  type ResolvedPlan,
  ResolveError,
  type SiteOptions,
  type SplitSource,
  type SplitSummary,
  type Splits
} from "./resolved.ts"
