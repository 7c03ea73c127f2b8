/** Trains and evaluates an adapted LayersModel as `model.fit` and `model.evaluate` do. */
export type { AdaptationPlan, AdaptationPlanInput } from "../../../schemas/index.ts"
export { FitError, LayersDataError } from "../errors.ts"
export { isDataset, type LayersDataset, layersBatches } from "./batches.ts"
export type { Callback, CallbackInstance, CallbackObject, Callbacks, Logs, YieldEvery } from "./callbacks.ts"
export type { ClassWeight, ClassWeights } from "./class-weights.ts"
export { type Compilation, type Compiled, compiledOf } from "./compiled.ts"
export { evaluate, evaluateDataset } from "./evaluate.ts"
export { fit, fitDataset } from "./fit.ts"
export { type Slots, slotsOf } from "./host-arrays.ts"
export {
  compiledLoss,
  type EvaluateOptions,
  type FitDatasetOptions,
  type FitOptions,
  type LayersData
} from "./options.ts"
export type { FitFailure, FitHistory } from "./run.ts"
