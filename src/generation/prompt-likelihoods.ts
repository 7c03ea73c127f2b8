/**
 * Probabilities of a prompt's tokens, each given the tokens before it, and optionally the first token after the prompt.
 *
 *   log p(x) = Σᵢ log softmax(zᵢ₋₁)[xᵢ]      zᵢ: the logits after token i, from one pass over the tokens up to it
 *
 * The prompt is read once, in parts of `PART` tokens whose keys and values are cached. Logits are computed and read back for a few positions at a time,
 * `ROWS` at most, so that memory does not grow with positions × vocabulary. Softmax is computed in float64.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Adapted } from "../../adapters/index.ts"
import { Device } from "../device/device.ts"
import type { DeviceError } from "../device/index.ts"
import type { CausalModel } from "../models/causal/index.ts"
import type { DeviceReadError } from "../tensors/index.ts"
import { keyValueCache } from "./cache.ts"
import { choiceAfter, impossible, pushedTo } from "./choices.ts"
import type { GenerationEnd } from "./generate.ts"
import { type GenerateOptions, GenerationError, type Prompt, promptIds, settingsOf, type Turn } from "./options.ts"
import { hiddenStates, logitsAt, type Pass } from "./passes.ts"
import { notFinite, read } from "./reading.ts"
import { type LikelyToken, likelihoods } from "./sampling.ts"
import { writer } from "./writer.ts"

/** A token at its position, with the likeliest tokens there. */
export interface PlacedToken extends LikelyToken {
  /** likeliest tokens at this position by the model's own distribution, in descending order */
  readonly likeliest: ReadonlyArray<LikelyToken>
}

/** Options of `promptLikelihoods`. */
export interface PromptLikelihoodOptions {
  /** number of likeliest tokens per position, at least 0; default 0 */
  readonly likeliest?: number
  /** options with which the first token after the prompt is chosen; default: none is */
  readonly next?: Omit<GenerateOptions, "base" | "turn" | "promptCache" | "observer" | "maxNewTokens" | "constraint">
  /** schedules each forward pass; default: passes run immediately */
  readonly turn?: Turn
}

/** Tokens of a prompt with their probabilities. */
export interface PromptLikelihoods {
  /** tokens of the prompt */
  readonly ids: ReadonlyArray<number>
  /** tokens of the prompt after the first, which no token precedes, with their probabilities */
  readonly tokens: ReadonlyArray<PlacedToken>
  /** the token after the prompt, and the text of this token alone; null: none was asked for */
  readonly next: {
    /** token with its probability */
    readonly token: PlacedToken
    /** finished text of one token */
    readonly end: GenerationEnd
  } | null
}

/** Most tokens per forward pass. */
const PART = 128

/** Most positions whose logits are in memory at a time: 13 MB for a vocabulary of 49,152 tokens. */
const ROWS = 64

/**
 * Computes the probability of each token of a prompt. Fails before the first pass if the prompt or the options cannot be used.
 *
 * @example
 * import { Effect } from "effect"
 * import type { Adapted } from "tfjs-lora-pro/adapters"
 * import { promptLikelihoods } from "tfjs-lora-pro/generation"
 * import type { Causal } from "tfjs-lora-pro/models"
 *
 * const logLikelihood = (adapted: Adapted<Causal.CausalModel>, text: string) =>
 *   Effect.map(promptLikelihoods(adapted, text), ({ tokens }) =>
 *     tokens.reduce((sum, { probability }) => sum + Math.log(probability), 0)
 *   )
 */
export const promptLikelihoods = (
  adapted: Adapted<CausalModel>,
  prompt: Prompt,
  { likeliest = 0, next: nextOptions, turn = (pass) => pass }: PromptLikelihoodOptions = {}
): Effect.Effect<PromptLikelihoods, GenerationError | DeviceReadError | DeviceError, Device> =>
  Effect.gen(function* () {
    const { padMultiple, sync } = yield* Device
    const { model } = adapted
    const settings = settingsOf(model, { ...nextOptions, maxNewTokens: 1 })
    const checked = promptIds(model, [prompt], nextOptions === undefined ? 0 : 1)
    if (Result.isFailure(settings) || Result.isFailure(checked)) {
      const problems = [
        ...(Result.isFailure(settings) ? settings.failure : []),
        ...(Result.isFailure(checked) ? checked.failure : [])
      ]
      return yield* new GenerationError({ problems })
    }
    const { success: writerSettings } = settings
    const ids = checked.success[0]!
    const tokens: Array<PlacedToken> = []
    const cache = yield* Effect.acquireRelease(
      Effect.sync(() => keyValueCache({ padding: [0], multiple: padMultiple })),
      ({ dispose }) => Effect.sync(dispose)
    )

    /** The pass over the part of the prompt that begins at `from`. */
    const passFrom = (from: number): Pass => {
      const part = ids.slice(from, from + PART)
      const ahead = ids.length - from - part.length
      return { adapted, ids: [part], before: [from], ahead: [ahead], attend: () => cache.pass(part.length, ahead) }
    }

    /** The token after the prompt, given the logits there. */
    const nextAfter = (logits: Float32Array) =>
      Effect.gen(function* () {
        const text = writer(model.tokenizer, 0, ids, model.maxLength - ids.length, writerSettings)
        const choice = choiceAfter(text, logits, writerSettings) ?? (yield* impossible)
        const { finish } = pushedTo(text, choice, writerSettings)
        const end: GenerationEnd = {
          kind: "end",
          prompt: 0,
          text: text.text(),
          ids: [choice.id],
          finish: finish!,
          promptTokens: ids.length,
          cachedTokens: 0,
          tokensPerSecond: null
        }
        return { token: yield* placed(logits, choice.id, likeliest), end }
      })

    /** Reads a part of the prompt; returns the token after it if the part is the last. */
    const readPart = (from: number) =>
      Effect.acquireUseRelease(
        Effect.sync(() => hiddenStates(passFrom(from))),
        (out) =>
          Effect.gen(function* () {
            const count = Math.min(out.hidden.shape[0], ids.length - from - (nextOptions === undefined ? 1 : 0))
            for (let at = 0; at < count; at += ROWS) {
              const rows = Math.min(ROWS, count - at)
              const logits = yield* read(() => logitsAt(out, at, rows))
              const width = logits.length / rows
              for (let row = 0; row < rows; row++) {
                const after = logits.subarray(row * width, (row + 1) * width)
                const id = ids[from + at + row + 1]
                if (id === undefined) return yield* nextAfter(after)
                tokens.push(yield* placed(after, id, likeliest))
              }
            }
            return null
          }),
        ({ hidden }) => Effect.sync(() => hidden.dispose())
      )

    let next: PromptLikelihoods["next"] = null
    for (let from = 0; from < ids.length; from += PART) {
      next = yield* turn(readPart(from))
      yield* Effect.yieldNow
    }
    // a failed device returns wrong numbers silently
    yield* sync
    return { ids, tokens, next }
  }).pipe(Effect.scoped)

/** A token at the position after these logits. */
const placed = (logits: Float32Array, id: number, count: number): Effect.Effect<PlacedToken, GenerationError> => {
  const { probability, likeliest } = likelihoods(logits, id, count)
  return Number.isFinite(probability) ? Effect.succeed({ id, probability, likeliest }) : notFinite
}
