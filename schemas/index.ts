/** The language of plans: everything under `tfjs-lora-pro/schemas`. */
export {
  AdaptationPlan,
  type AdaptationPlanInput,
  AdaptationTraining,
  adaptationRules,
  decodeAdaptationPlan
} from "./adaptation-plan.ts"
export {
  AdaloraConfig,
  AdapterConfig,
  BudgetConfig,
  DoraConfig,
  FullConfig,
  factsOfMethod,
  LoraConfig,
  LoraOverride,
  type MethodFacts,
  methodFacts,
  NoneConfig,
  SitePattern,
  TargetPreset,
  VeraConfig
} from "./adapter.ts"
export { factsOfInit, initFacts, LoraInit, PlainInit } from "./adapter-init.ts"
export { CausalData, ChatData, CompletionData, messagesColumn, TextData } from "./causal-data.ts"
export { closest } from "./closest.ts"
export { ArraysSection, DataSection } from "./data.ts"
export { decodeRunPlan, PlanError } from "./decode.ts"
export {
  adaptationPlanJsonSchema,
  adaptationPlanJsonSchemaText,
  runPlanJsonSchema,
  runPlanJsonSchemaText
} from "./json-schema.ts"
export { CausalModelSection, ClassificationTask, LayersModelSection, ModelSection } from "./model.ts"
export {
  AdamwConfig,
  factsOfOptimizer,
  LionConfig,
  LoraPlusConfig,
  LoraProConfig,
  OptimizerConfig,
  optimizerFacts,
  RiemannianConfig,
  ScheduleConfig,
  SgdConfig
} from "./optimizer.ts"
export type { PlanProblem } from "./problems.ts"
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
