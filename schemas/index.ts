/**
 * Schemas of plans. `decodeRunPlan` checks a value and fills in defaults; `RunPlan` is its schema and type, `runPlanJsonSchema` the JSON
 * Schema for editors. `AdaptationPlan` and `decodeAdaptationPlan` do the same for the plans of `fit`.
 */
export {
  AdaptationPlan,
  type AdaptationPlanInput,
  AdaptationTraining,
  adaptationRules,
  decodeAdaptationPlan
} from "./adaptation-plan.ts"
export * from "./adapter.ts"
export * from "./adapter-init.ts"
export * from "./code-settings.ts"
export { decodeForeignPlan, decodeRunPlan, decodeRunPlanResult, PlanError } from "./decode.ts"
export { inTodaysWords } from "./earlier-plans.ts"
export { count, integer, list, share, strict, text, withDefault } from "./fields.ts"
export { problemsOf } from "./issues.ts"
export {
  adaptationPlanJsonSchema,
  adaptationPlanJsonSchemaText,
  runPlanJsonSchema,
  runPlanJsonSchemaText,
  writtenOut
} from "./json-schema.ts"
export { ArraysPlan, ArraysSection, LayersModelSection } from "./kinds/arrays.ts"
export {
  CausalData,
  CausalModelSection,
  CausalPlan,
  ChatData,
  CompletionData,
  messagesColumn,
  TextData
} from "./kinds/causal.ts"
export {
  ClassificationPlan,
  type ClassificationPlanInput,
  ClassificationTask,
  DataSection,
  ModelSection
} from "./kinds/classification.ts"
export {
  type Dialect,
  type Encoding,
  encodings,
  type Separator,
  separatorNames,
  separators
} from "./kinds/dialect.ts"
export {
  ContrastLoss,
  EmbeddingData,
  EmbeddingPlan,
  EmbeddingTask,
  SimilarityData,
  SimilarityLoss,
  SimilarityPlan
} from "./kinds/embedding.ts"
export {
  Augment,
  ImageArraysData,
  ImageArraysPlan,
  ImageClassificationTask,
  ImageModelSection,
  ImagesData,
  ImagesPlan,
  ZeroShotTask
} from "./kinds/images.ts"
export { formatsOfOwnDropout, planKinds } from "./kinds/index.ts"
export { LabelLoss } from "./kinds/labels.ts"
export { MultiLabelPlan, MultiLabelSection, MultiLabelTask } from "./kinds/multi-label.ts"
export type { AnyPlan } from "./kinds/plan.ts"
export { PreferenceData, PreferenceLoss, PreferencePlan, preferenceColumns } from "./kinds/preference.ts"
export { RegressionPlan, RegressionSection, RegressionTask, targetsOf } from "./kinds/regression.ts"
export { Seq2SeqData, Seq2SeqModelSection, Seq2SeqPlan } from "./kinds/seq2seq.ts"
export {
  TokenClassificationPlan,
  TokenClassificationSection,
  TokenClassificationTask
} from "./kinds/token-classification.ts"
export { withoutUndefined } from "./left-out.ts"
export * from "./optimizer.ts"
export { decodeOptions } from "./options.ts"
export type { PlanProblem } from "./problems.ts"
export { closest, showValue } from "./problems.ts"
export { alternatives, type PlanRule, RunPlan, type RunPlanInput, rules } from "./run-plan.ts"
export * from "./settings.ts"
export { adamSettings, OptionsError, type Settled, settled, unchecked } from "./settled.ts"
export { decodeSuite, type ScorerName, Shots, Suite, type SuiteInput, scorerNames } from "./suite.ts"
export { DiagnosticsConfig, OutputSection, StopEarly, TrainingSection } from "./training.ts"
