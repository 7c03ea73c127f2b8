/**
 * Text generation: `generate` streams text from causal language models, `batchScheduler` many texts that join and leave, `conversation` builds prompts from messages.
 * `promptLikelihoods` computes the probability of each token of a prompt. `writeTargets` generates the targets of sequence-to-sequence models, and `writeObserved` also reports the probability of each token.
 *
 * @example
 * import { Effect } from "effect"
 * import type { Adapted } from "tfjs-lora-pro/adapters"
 * import { conversation, generate } from "tfjs-lora-pro/generation"
 * import type { Causal } from "tfjs-lora-pro/models"
 *
 * const asked = (adapted: Adapted<Causal.CausalModel>) =>
 *   Effect.gen(function* () {
 *     const talk = yield* conversation(adapted.model.tokenizer, { system: "Answer in one word." })
 *     const prompt = yield* talk.say("user", "What is the capital of France?").prompt
 *     return generate(adapted, [prompt], { maxNewTokens: 32 })
 *   })
 */
export {
  type Constraint,
  type ConstraintState,
  constraintOf,
  type Forced,
  type Grammar,
  type JsonStyle
} from "../constraint/index.ts"
export {
  type Asked,
  type BatchOptions,
  type BatchScheduler,
  batchScheduler,
  type GenerateAllOptions,
  generateAll,
  type TextError,
  type TextOptions
} from "./batch.ts"
export type { WrittenTarget } from "./beams.ts"
export { type CacheOptions, type KeyValueCache, keyValueCache } from "./cache.ts"
export { type Conversation, ConversationError, conversation } from "./conversation.ts"
export { type GenerationEnd, type GenerationEvent, generate } from "./generate.ts"
export {
  type GenerateAsOptions,
  generateAs,
  SchemaAnswerError,
  type StandardJsonSchema,
  type StandardResult
} from "./generate-as.ts"
export {
  type GenerateOptions,
  GenerationError,
  type ObservedToken,
  type Prompt,
  type ShownToken,
  type TokenObserver,
  type Turn
} from "./options.ts"
export { type PromptCache, promptCache, promptCaches, type Reading } from "./prompt-cache.ts"
export {
  type PlacedToken,
  type PromptLikelihoodOptions,
  type PromptLikelihoods,
  promptLikelihoods
} from "./prompt-likelihoods.ts"
export {
  type Distribution,
  distribution,
  greedy,
  type LikelyToken,
  type Sampling,
  sample,
  sampleAmong,
  withPenalty
} from "./sampling.ts"
export { type ObservedOptions, type WriteOptions, writeObserved, writeTargets } from "./seq2seq.ts"
export type { Finish } from "./writer.ts"
