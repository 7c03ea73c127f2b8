/**
 * LoRA-Pro fine-tuning on TensorFlow.js.
 *
 * To run a plan, call `readPlan`, `resolve` and `train`; `loadRun` opens the trained run, and `predictFile` and `mergeRun` use it. To compose
 * a run in code, use the same parts as effects: `Models`, `inject`, `Dataset`, `Training`, `Output` and the optimizers. `Device` and
 * `platform` are the layers that both need. `adapt` and `loadAdapter` are for a `tf.LayersModel`.
 */
export { full, inject, lora, none } from "../adapters/index.ts"
export { type LimitName, limits, setLimits } from "./boundary/index.ts"
export * as Calls from "./calls/index.ts"
export * as Dataset from "./data/index.ts"
export { Device } from "./device/index.ts"
export * as Generation from "./generation/index.ts"
export { Hub, HubError, type HubShape } from "./hub/index.ts"
export * as Images from "./images/index.ts"
export { loadKind, type Prediction, resolve } from "./kinds/index.ts"
export { type AdaptedLayersModel, adapt, loadAdapter } from "./layers-model/index.ts"
export * as Models from "./models/index.ts"
export * from "./optimizers/index.ts"
export * as Output from "./output/index.ts"
export { planFromValue, type ResolvedPlan, readPlan } from "./plan/index.ts"
export { platform } from "./platform.ts"
export { type Listener, Progress, type ProgressEvent } from "./run/index.ts"
export { type ConfinedOptions, confinedPrograms } from "./scoring/programs/confined.ts"
export { train } from "./train.ts"
export {
  type Embedder,
  evaluateGenerated,
  exactMatch,
  finalNumber,
  generatedScores,
  type LoadedRun,
  loadCausalRun,
  loadEmbedder,
  loadRun,
  type MergeReport,
  mergeRun,
  predictFile,
  RunError,
  type RunSuiteOptions,
  runSuite,
  type Score,
  type SuiteReport
} from "./trained/index.ts"
export * as Training from "./training/index.ts"
