/**
 * Text from a causal language model, as a stream: prompts are read once, in parts, then every step writes one token of each.
 *
 * Prompts of a batch may have any lengths: shorter ones are padded on the left, nothing attends to the padding, and each has positions of its
 * own. A text that has ended takes no part in later steps. The continuation of a prompt does not depend on the other prompts.
 *
 * @example
 * import { Console, Effect, Stream } from "effect"
 * import type { Adapted } from "tfjs-lora-pro/adapters"
 * import { generate } from "tfjs-lora-pro/generation"
 * import type { Causal } from "tfjs-lora-pro/models"
 *
 * const written = (adapted: Adapted<Causal.CausalModel>) =>
 *   generate(adapted, ["The capital of France is"], { maxNewTokens: 32 }).pipe(
 *     Stream.runForEach((event) => (event.kind === "text" ? Console.log(event.text) : Effect.void))
 *   )
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Adapted, unadapted } from "../../adapters/index.ts"
import { Device } from "../device/device.ts"
import type { DeviceError } from "../device/index.ts"
import type { CausalModel } from "../models/causal/index.ts"
import type { DeviceReadError } from "../tensors/index.ts"
import { type KeyValueCache, keyValueCache } from "./cache.ts"
import {
  type GenerateOptions,
  GenerationError,
  type ObservedToken,
  type Prompt,
  promptIds,
  type Settings,
  settingsOf
} from "./options.ts"
import { nextLogits, nextTokens, type Pass, readOnly } from "./passes.ts"
import { sameParts } from "./prompt-cache.ts"
import { notFinite, read } from "./reading.ts"
import { isGreedy, likelihoods } from "./sampling.ts"
import { type Finish, type Writer, writer } from "./writer.ts"

/** What `generate` emits: pieces of text as they are written, and the end of each prompt's text. */
export type GenerationEvent =
  /** a piece of a prompt's text: whole characters, no part of a stop string */
  | {
      readonly kind: "text"
      /** place of the prompt */
      readonly prompt: number
      /** at least one character */
      readonly text: string
    }
  | GenerationEnd

/** A text that is complete, with its tokens and why it ended. */
export interface GenerationEnd {
  readonly kind: "end"
  /** place of the prompt */
  readonly prompt: number
  /** all of it, without the stop string */
  readonly text: string
  /** the tokens that were chosen, the last that ends a text among them */
  readonly ids: ReadonlyArray<number>
  /** why it ended */
  readonly finish: Finish
  /** tokens of the prompt */
  readonly promptTokens: number
  /** of these: the first ones, which were not read again (`promptCache`) */
  readonly cachedTokens: number
  /** of this text, after its first token; null: it has no second */
  readonly tokensPerSecond: number | null
}

/** Tokens of a pass over prompts, at most: what a pass needs besides its weights is this many rows. */
const TOKENS_PER_PASS = 512

/** Continues all prompts together. Its `end` events come once for each prompt; the device holds nothing of it when the stream has ended. */
export const generate = (
  adapted: Adapted<CausalModel>,
  prompts: ReadonlyArray<Prompt>,
  options: GenerateOptions = {}
): Stream.Stream<GenerationEvent, GenerationError | DeviceReadError | DeviceError, Device> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { model } = adapted
      const settings = settingsOf(model, options)
      const ids = promptIds(model, prompts)
      const tooMany = options.promptCache !== undefined && prompts.length > 1
      if (Result.isFailure(settings) || Result.isFailure(ids) || tooMany) {
        const problems = [
          ...(Result.isFailure(settings) ? settings.failure : []),
          ...(tooMany ? [`promptCache serves one prompt; found ${prompts.length}: give them one after another`] : []),
          ...(Result.isFailure(ids) ? ids.failure : [])
        ]
        return yield* new GenerationError({ problems })
      }
      if (ids.success.length === 0) return Stream.empty
      const { base } = settings.success
      const used = base ? yield* frozenOf(model) : adapted
      const weights = base ? [model] : [adapted.forward, adapted.trainable]
      const batch = yield* openBatch(used, ids.success, settings.success, weights)
      const { turn } = settings.success
      return Stream.paginate(batch, (at) => Effect.andThen(Effect.yieldNow, turn(advance(at))))
    })
  )

/** The model without its trained parameters. */
const frozenOf = (model: CausalModel) =>
  // nothing is chosen or started, so nothing can be wrong with it
  unadapted(model).pipe(Effect.orDie)

interface Batch {
  readonly adapted: Adapted<CausalModel>
  readonly settings: Settings
  readonly cache: KeyValueCache
  readonly prompts: ReadonlyArray<ReadonlyArray<number>>
  /** texts that have not ended, in the order of the cache's rows */
  readonly writers: ReadonlyArray<Writer>
  /** of each of them: places before its first token */
  readonly padding: ReadonlyArray<number>
  /** tokens of the prompts that the cache held before */
  readonly cached: number
  /** of each of them: the tokens that the cache does not hold yet, equally many */
  readonly next: ReadonlyArray<ReadonlyArray<number>>
  /** when the first tokens were chosen, in milliseconds */
  readonly began: number
}

/** `weights`: what keys and values are computed with, as `Reading` has it. */
const openBatch = (
  adapted: Adapted<CausalModel>,
  prompts: ReadonlyArray<ReadonlyArray<number>>,
  settings: Settings,
  weights: ReadonlyArray<unknown>
): Effect.Effect<Batch, never, Device | Scope.Scope> =>
  Effect.gen(function* () {
    const { padMultiple } = yield* Device
    const { tokenizer, maxLength } = adapted.model
    const { promptCache } = settings
    const { padding, next } = aligned(prompts, tokenizer.padId)
    const writers = prompts.map((ids, i) => writer(tokenizer, i, ids, maxLength - ids.length, settings))
    const keys = (length: number) => [...weights, ...turnsOf(adapted.model, length)]
    const opened = () => {
      const own = keyValueCache({ padding, multiple: padMultiple })
      // the next prompt may differ from this one anywhere
      if (promptCache !== null) own.cut(0)
      return own
    }
    const cache = yield* Effect.acquireRelease(
      Effect.sync(() => promptCache?.take(keys(prompts[0]!.length), prompts[0]!) ?? opened()),
      (own, exit) =>
        Effect.sync(() => {
          const text = [...prompts[0]!, ...writers[0]!.ids]
          const ids = text.slice(0, own.length())
          const under = keys(ids.length)
          // keys and values of a failed pass must not be continued; those of an interrupted one are complete
          const sound = Exit.isSuccess(exit) || Exit.hasInterrupts(exit)
          // where these differ, it is not known which of them the keys were turned for
          const usable = sound && sameParts(under, keys(text.length))
          if (promptCache === null || !usable) return own.dispose()
          promptCache.put({ weights: under, ids, cache: own })
        })
    )
    const cached = cache.length()
    return {
      adapted,
      settings,
      cache,
      prompts,
      writers,
      padding,
      cached,
      next: next.map((ids) => ids.slice(cached)),
      began: 0
    }
  })

/** The rotary class of the keys of a text of `length` tokens: keys may be continued where it is the same. */
const turnsOf = ({ decoder }: CausalModel, length: number): ReadonlyArray<unknown> =>
  decoder.rotary.map(({ dynamic, classOf }) => {
    const own = classOf(length)
    // a text that was written has keys of each length it had
    return dynamic && own > 0 ? Symbol() : own
  })

/** The batch with all its texts to be read again, where one has outgrown the frequencies of its rotary positions (LongRoPE). */
const readAgain = (batch: Batch): Batch => {
  const { adapted, cache, writers, prompts } = batch
  const { decoder, tokenizer } = adapted.model
  const texts = writers.map(({ prompt, ids }) => [...prompts[prompt]!, ...ids])
  const outgrown = texts.some(({ length }) =>
    decoder.rotary.some(({ dynamic, classOf }) => !dynamic && classOf(length) !== classOf(length - 1))
  )
  if (!outgrown) return batch
  const { padding, next } = aligned(texts, tokenizer.padId)
  cache.restart(padding)
  return { ...batch, padding, next }
}

/** Texts that end together: shorter ones have padding before them. */
const aligned = (texts: ReadonlyArray<ReadonlyArray<number>>, padId: number): Pick<Batch, "padding" | "next"> => {
  const longest = texts.reduce((most, ids) => Math.max(most, ids.length), 0)
  const padding = texts.map((ids) => longest - ids.length)
  return { padding, next: texts.map((ids, i) => [...new Array<number>(padding[i]!).fill(padId), ...ids]) }
}

type Step = readonly [ReadonlyArray<GenerationEvent>, Option.Option<Batch>]

/** A part of the prompts, or a token of each text. */
const advance = (batch: Batch): Effect.Effect<Step, GenerationError | DeviceReadError | DeviceError, Device> => {
  const { adapted, cache, padding, next } = batch
  const most = Math.max(1, Math.floor(TOKENS_PER_PASS / next.length))
  if (next[0]!.length > most) {
    return Effect.sync(() => {
      readOnly({ adapted, cache, padding, ids: next.map((ids) => ids.slice(0, most)), ahead: next[0]!.length - most })
      return [[], Option.some({ ...batch, next: next.map((ids) => ids.slice(most)) })]
    })
  }
  return Effect.flatMap(chosen(batch, { adapted, cache, padding, ids: next }), (tokens) => written(batch, tokens))
}

/** A token, and what an observer is given of its place. */
interface Choice {
  readonly id: number
  readonly place?: Pick<ObservedToken, "probability" | "likeliest">
}

/** The next token of each row. */
const chosen = (
  { settings, writers }: Batch,
  pass: Pass
): Effect.Effect<ReadonlyArray<Choice>, GenerationError | DeviceReadError> =>
  Effect.gen(function* () {
    const { sampling, observer } = settings
    if (observer === null && isGreedy(sampling)) {
      const values = yield* read(() => nextTokens(pass))
      if (!values.slice(writers.length).every(Number.isFinite)) return yield* notFinite
      return Array.from(values.slice(0, writers.length), (id) => ({ id }))
    }
    const logits = yield* read(() => nextLogits(pass))
    if (!logits.every(Number.isFinite)) return yield* notFinite
    const width = logits.length / writers.length
    return writers.map((own, row): Choice => {
      const after = logits.subarray(row * width, (row + 1) * width)
      const id = own.choose(after)
      if (observer === null) return { id }
      const { probability, likeliest } = likelihoods(after, id, observer.likeliest)
      return { id, place: { probability, likeliest: likeliest.map(own.shown) } }
    })
  })

/** Takes a token of each text; texts that end with it leave the batch. */
const written = (batch: Batch, tokens: ReadonlyArray<Choice>): Effect.Effect<Step, DeviceError, Device> =>
  Effect.gen(function* () {
    const now = performance.now()
    const { writers, cache, settings } = batch
    const began = writers.every(({ ids }) => ids.length === 0) ? now : batch.began
    const pushed = writers.map((own, row) => own.push(tokens[row]!.id))
    for (const [row, { id, place }] of tokens.entries()) {
      if (settings.observer === null || place === undefined) break
      const { text, finish } = pushed[row]!
      yield* settings.observer.tell({ id, prompt: writers[row]!.prompt, text, ends: finish === "eos", ...place })
    }
    const events = pushed.flatMap(({ text, finish }, row): ReadonlyArray<GenerationEvent> => {
      const own = writers[row]!
      const piece: ReadonlyArray<GenerationEvent> = text === "" ? [] : [{ kind: "text", prompt: own.prompt, text }]
      return finish === null ? piece : [...piece, ended(batch, own, finish, now - began)]
    })
    const left = pushed.flatMap(({ finish }, row) => (finish === null ? [row] : []))
    // a failed device returns wrong numbers silently: texts that end here are verified first
    if (left.length < writers.length) yield* (yield* Device).sync
    if (left.length === 0) return [events, Option.none()]
    if (left.length < writers.length) cache.choose(left)
    const rest: Batch = {
      ...batch,
      began,
      writers: left.map((row) => writers[row]!),
      padding: left.map((row) => batch.padding[row]!),
      next: left.map((row) => [tokens[row]!.id])
    }
    return [events, Option.some(readAgain(rest))]
  })

const ended = ({ prompts, cached }: Batch, own: Writer, finish: Finish, milliseconds: number): GenerationEnd => ({
  kind: "end",
  prompt: own.prompt,
  text: own.text(),
  ids: [...own.ids],
  finish,
  promptTokens: prompts[own.prompt]!.length,
  cachedTokens: cached,
  tokensPerSecond: own.ids.length < 2 ? null : (1000 * (own.ids.length - 1)) / milliseconds
})
