/** Data for causal language models: conversations, completions and texts, and how they become batches. */
export type { Batching } from "./batching.ts"
export { type ChatTemplate, chatTemplate, type Rendering, type Span } from "./chat-template.ts"
export { type RowEncoder, rowEncoder } from "./encoder.ts"
export {
  type CausalEvaluationBatch,
  type CausalEvaluationBatchOptions,
  causalEvaluationBatches
} from "./evaluation-batches.ts"
export type { TokenStatistics } from "./measure.ts"
export { type CausalSplitDescription, type OpenedCausal, openCausal } from "./open.ts"
export { packed } from "./pack.ts"
export { padRows } from "./padding.ts"
export type { CausalContent, CausalExample, CausalRow, Message, Sequence } from "./row.ts"
export type { RenderedSample } from "./sample.ts"
export { type CausalSplit, causalSplit } from "./split.ts"
export {
  type CausalTrainingBatch,
  type CausalTrainingBatchOptions,
  causalBatchesPerEpoch,
  causalTrainingBatches
} from "./training-batches.ts"
export { assistantTurns, type Turns } from "./turns.ts"
