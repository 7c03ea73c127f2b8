/**
 * The keys and values of what a model has last read and written, kept so that the next prompt is read only from where it differs: a
 * conversation's next turn begins with all turns before.
 *
 * The longest common prefix of a prompt and those tokens is reused; a template may render earlier turns differently later. The last token of
 * a prompt is always read, since the next one follows from it. The cache starts anew when weights have changed, by training or by leaving
 * out what was trained, and when a prompt differs from the last one before what a window still holds.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { KeyValueCache } from "./cache.ts"

/** Keys and values that are handed on, truncated to the common prefix. */
export interface Reading {
  /** what they are keys and values under: equal where each part is the same object */
  readonly weights: ReadonlyArray<unknown>
  /** the tokens */
  readonly ids: ReadonlyArray<number>
  /** of as many tokens, in its first row */
  readonly cache: KeyValueCache
}

/** The newest reading of a prompt, so that a conversation reads only what is new in it. */
export interface PromptCache {
  /** The tokens that it holds. */
  readonly length: () => number
  /** The cached beginning of a prompt under these weights, which the caller then owns; null: none. */
  readonly take: (weights: Reading["weights"], prompt: ReadonlyArray<number>) => KeyValueCache | null
  /** Owns a reading, in place of the one before. */
  readonly put: (reading: Reading) => void
}

/**
 * For `generate`, whose prompts have it one after another; prompts at the same time begin anew. The device holds it until its scope ends.
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
 * The same for prompts of several conversations: a prompt goes on from the reading with which it has most in common, and those that were
 * used last stay, of `tokens` tokens together at most. Prompts at the same time may have one each.
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
        state.held = state.held.filter((own) => own !== reading)
      }
      return {
        length,
        take: (weights, prompt) => {
          const known = prompt.slice(0, -1)
          const candidates = state.held
            .filter((own) => sameParts(weights, own.weights))
            .map((own) => ({ own, common: commonLength(own.ids, known) }))
            // what begins alike and goes on otherwise (a system message) is another conversation, which keeps its own
            .filter(({ own, common }) => common > 0 && 2 * common >= own.ids.length)
            .sort((a, b) => b.common - a.common)
          const found = candidates.find(({ own, common }) => own.cache.cut(common))
          if (found === undefined) return null
          forget(found.own)
          return found.own.cache
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

export const sameParts = (a: ReadonlyArray<unknown>, b: ReadonlyArray<unknown>): boolean =>
  a.length === b.length && a.every((part, i) => part === b[i])

/** Tokens with which both begin. */
const commonLength = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): number => {
  const differs = a.findIndex((id, i) => id !== b[i])
  return differs < 0 ? a.length : differs
}
