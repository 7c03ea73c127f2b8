/** The language of plans: everything under `tfjs-lora-pro/schemas`. */
export {
  AdaptationPlan,
  type AdaptationPlanInput,
  AdaptationTraining,
  adaptationRules,
  decodeAdaptationPlan
} from "./adaptation-plan.ts"
export * from "./adapter.ts"
export * from "./adapter-init.ts"
export { ArraysSection, CausalData, ChatData, CompletionData, DataSection, messagesColumn, TextData } from "./data.ts"
export { decodeRunPlan, decodeRunPlanResult, PlanError } from "./decode.ts"
export { count, integer, list, share, strict, text, withDefault } from "./fields.ts"
export {
  adaptationPlanJsonSchema,
  adaptationPlanJsonSchemaText,
  runPlanJsonSchema,
  runPlanJsonSchemaText
} from "./json-schema.ts"
export { CausalModelSection, ClassificationTask, LayersModelSection, ModelSection } from "./model.ts"
export * from "./optimizer.ts"
export type { PlanProblem } from "./problems.ts"
export { closest, problemsOf, showValue } from "./problems.ts"
export {
  ArraysPlan,
  CausalPlan,
  ClassificationPlan,
  type ClassificationPlanInput,
  type PlanRule,
  planKinds,
  RunPlan,
  type RunPlanInput,
  rules
} from "./run-plan.ts"
export { DiagnosticsConfig, OutputSection, TrainingSection } from "./training.ts"
