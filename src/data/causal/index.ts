/** Data for causal language models: conversations, completions and texts, and their batches. */
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
  type ChatTemplate,
  chatTemplate,
  type Rendering,
  type Span,
  type TemplateOptions,
  templateOf,
  withoutGenerationTags
} from "./chat-template.ts"
export { instructed } from "./content.ts"
export { type RowEncoder, rowEncoder, specialPattern, tokenized } from "./encoder.ts"
export { meanTokens, type RenderedSample, type TokenStatistics } from "./measure.ts"
export { messagesIn, openai as messageIn } from "./messages.ts"
export {
  type CausalSplitDescription,
  type OpenedCausal,
  type OpenedTokens,
  openCausal,
  openTokens
} from "./open.ts"
export { plannedTokenizer, withTemplateDate } from "./planned-template.ts"
export type {
  CausalContent,
  CausalExample,
  CausalRow,
  Conversation,
  JsonFields,
  Message,
  Sequence,
  Tool,
  ToolCall
} from "./row.ts"
export { type CausalSplit, causalSplit } from "./split.ts"
export { callProblems, toolsIn } from "./tools.ts"
export { type TurnOptions, type Written, type WrittenTurns, writtenTurns } from "./turns.ts"
