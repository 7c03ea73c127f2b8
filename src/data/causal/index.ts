/** Data for causal language models: conversations, completions and texts, and how they become batches. */
export {
  type CausalEvaluationBatch,
  type CausalEvaluationBatchOptions,
  type CausalTrainingBatch,
  type CausalTrainingBatchOptions,
  causalBatchesPerEpoch,
  causalEvaluationBatches,
  causalTrainingBatches
} from "./batches.ts"
export { type Batching, packed, padRows } from "./batching.ts"
export {
  assistantTurns,
  type ChatTemplate,
  chatTemplate,
  type Rendering,
  type Span,
  type Turns
} from "./chat-template.ts"
export { type RowEncoder, rowEncoder, tokenized } from "./encoder.ts"
export { meanTokens, type RenderedSample, type TokenStatistics } from "./measure.ts"
export {
  type CausalSplitDescription,
  type OpenedCausal,
  type OpenedTokens,
  openCausal,
  openTokens
} from "./open.ts"
export type { CausalContent, CausalExample, CausalRow, Message, Sequence } from "./row.ts"
export { type CausalSplit, causalSplit } from "./split.ts"
