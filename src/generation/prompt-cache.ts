/**
 * Prompt caching: keeps the keys and values of the latest text, so that the next prompt is read only from where it differs. A
 * conversation's next turn begins with all earlier turns.
 *
 * Reuses the longest common prefix of a prompt and the cached tokens; a template may render earlier turns differently later. The last token
 * of a prompt is always read, since the next one follows from it. The cache is discarded when weights have changed, by training or by
 * switching the adapter off, and when a prompt differs from the cached one before the tokens that a sliding window still holds.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { KeyValueCache } from "./cache.ts"

/** Cached keys and values, truncated to the common prefix. */
export interface Reading {
  /** identity of the weights of the keys and values: equal if each part is the same object */
  readonly weights: ReadonlyArray<unknown>
  /** cached tokens */
  readonly ids: ReadonlyArray<number>
  /** cache of these tokens, in its first row */
  readonly cache: KeyValueCache
}

/** Cache of the latest prompt, so that each turn of a conversation reads only its new tokens. */
export interface PromptCache {
  /** Returns the number of cached tokens. */
  readonly length: () => number
  /** Returns the cached prefix of a prompt under these weights, which the caller then owns; null without one. */
  readonly take: (weights: Reading["weights"], prompt: ReadonlyArray<number>) => KeyValueCache | null
  /** Stores a reading, which the cache then owns, and replaces the previous one. */
  readonly put: (reading: Reading) => void
}

/**
 * Creates a prompt cache for successive calls of `generate`. Concurrent prompts start without it. Device memory is freed with the scope.
 *
 * @example
 * import { Effect, Stream } from "effect"
 * import type { Adapted } from "tfjs-lora-pro/adapters"
 * import { type Conversation, generate, promptCache } from "tfjs-lora-pro/generation"
 * import type { Causal } from "tfjs-lora-pro/models"
 *
 * const twice = (adapted: Adapted<Causal.CausalModel>, talk: Conversation) =>
 *   Effect.gen(function* () {
 *     const cache = yield* promptCache
 *     yield* generate(adapted, [yield* talk.prompt], { promptCache: cache }).pipe(Stream.runDrain)
 *     const more = talk.say("user", "And of Spain?") // the first question is not read again
 *     yield* generate(adapted, [yield* more.prompt], { promptCache: cache }).pipe(Stream.runDrain)
 *   })
 */
export const promptCache: Effect.Effect<PromptCache, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => {
      const state: { held: Reading | null; open: boolean } = { held: null, open: true }
      return state
    }),
    (state) =>
      Effect.sync(() => {
        state.open = false
        state.held?.cache.dispose()
      })
  ),
  (state) => ({
    length: () => state.held?.ids.length ?? 0,
    take: (weights, prompt) => {
      const { held } = state
      if (held === null) return null
      state.held = null
      const common = sameParts(weights, held.weights) ? commonLength(held.ids, prompt.slice(0, -1)) : 0
      if (common > 0 && held.cache.cut(common)) return held.cache
      held.cache.dispose()
      return null
    },
    put: (reading) => {
      state.held?.cache.dispose()
      state.held = state.open ? reading : null
      if (!state.open) reading.cache.dispose()
    }
  })
)

/**
 * Creates a cache for prompts of several conversations: each prompt continues the reading with the longest common prefix, and the most
 * recently used readings are kept, up to `tokens` tokens in all. Concurrent prompts may use one reading each.
 */
export const promptCaches = (tokens: number): Effect.Effect<PromptCache, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        // the oldest first
        const state: { held: ReadonlyArray<Reading>; open: boolean } = { held: [], open: true }
        return state
      }),
      (state) =>
        Effect.sync(() => {
          state.open = false
          for (const { cache } of state.held) cache.dispose()
          state.held = []
        })
    ),
    (state) => {
      const length = () => state.held.reduce((sum, { ids }) => sum + ids.length, 0)
      const forget = (reading: Reading) => {
        state.held = state.held.filter((candidate) => candidate !== reading)
      }
      return {
        length,
        take: (weights, prompt) => {
          const reusable = prompt.slice(0, -1)
          const candidates = state.held
            .filter((candidate) => sameParts(weights, candidate.weights))
            .map((candidate) => ({ candidate, common: commonLength(candidate.ids, reusable) }))
            // what begins alike and goes on otherwise (a system message) is another conversation, which keeps its own
            .filter(({ candidate, common }) => common > 0 && 2 * common >= candidate.ids.length)
            .sort((a, b) => b.common - a.common)
          const longest = candidates.find(({ candidate, common }) => candidate.cache.cut(common))
          if (longest === undefined) return null
          forget(longest.candidate)
          return longest.candidate.cache
        },
        put: (reading) => {
          if (!state.open || reading.ids.length > tokens) return reading.cache.dispose()
          state.held = [...state.held, reading]
          while (length() > tokens) {
            const oldest = state.held[0]!
            forget(oldest)
            oldest.cache.dispose()
          }
        }
      }
    }
  )

/** Returns whether two lists contain the same objects. */
export const sameParts = (a: ReadonlyArray<unknown>, b: ReadonlyArray<unknown>): boolean =>
  a.length === b.length && a.every((part, i) => part === b[i])

/** Returns the number of tokens with which both begin. */
export const commonLength = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): number => {
  const differs = a.findIndex((id, i) => id !== b[i])
  return differs < 0 ? a.length : differs
}
