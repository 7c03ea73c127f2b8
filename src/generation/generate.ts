/**
 * Streams text from a causal language model: reads the prompts once, in chunks, then generates one token of each text per step.
 *
 * Prompts of a batch may differ in length: shorter ones are left-padded, the padding is masked, and positions are counted per
 * prompt. A finished text takes no part in later steps. The continuation of a prompt does not depend on the other prompts.
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
import { milliseconds } from "../progress/index.ts"
import type { DeviceReadError } from "../tensors/index.ts"
import { type KeyValueCache, keyValueCache } from "./cache.ts"
import { type Choice, choiceAfter, impossible, observed, pushedTo, tokensPerSecond } from "./choices.ts"
import {
  type GenerateOptions,
  GenerationError,
  needsNoLogits,
  type Prompt,
  promptIds,
  type Settings,
  settingsOf
} from "./options.ts"
import { nextLogits, nextTokens, type Pass, readOnly } from "./passes.ts"
import { sameParts } from "./prompt-cache.ts"
import { notFinite, read } from "./reading.ts"
import { type Finish, type Writer, writer } from "./writer.ts"

/** An event of `generate`: a piece of text, or the end of a prompt's text. */
export type GenerationEvent =
  /** a piece of a prompt's text: whole characters, without any part of a stop string */
  | {
      readonly kind: "text"
      /** index of the prompt */
      readonly prompt: number
      /** at least one character */
      readonly text: string
    }
  | GenerationEnd

/** A finished text, with its tokens and the reason it ended. */
export interface GenerationEnd {
  readonly kind: "end"
  /** index of the prompt */
  readonly prompt: number
  /** whole text, without the stop string */
  readonly text: string
  /** generated tokens, the one that ended the text included */
  readonly ids: ReadonlyArray<number>
  /** reason the text ended */
  readonly finish: Finish
  /** number of prompt tokens */
  readonly promptTokens: number
  /** leading prompt tokens that were taken from `promptCache` instead of being read again */
  readonly cachedTokens: number
  /** generation speed after the first token; null: the text has fewer than two tokens */
  readonly tokensPerSecond: number | null
}

/** Most prompt tokens per forward pass: bounds the memory that a pass needs besides its weights. */
const TOKENS_PER_PASS = 512

/**
 * Forced tokens of a single text that a CPU reads one after another, fewer than this: a pass over one row multiplies packed weights as they
 * are, one over several takes about as long as four of them (SmolLM2 in 4 bits on native), and the logits of all but the last are not needed.
 */
const FEW_TOKENS = 4

/** Generates a continuation of each prompt in one batch. Emits one `end` event per prompt; frees its device memory when the stream ends. */
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
          ...(tooMany ? [`promptCache serves one prompt; found ${prompts.length}: pass them one after another`] : []),
          ...(Result.isFailure(ids) ? ids.failure : [])
        ]
        return yield* new GenerationError({ problems })
      }
      if (ids.success.length === 0) return Stream.empty
      const { base } = settings.success
      const writer = base ? yield* frozenOf(model) : adapted
      const weights = base ? [model] : [adapted.forward, adapted.trainable]
      const batch = yield* openBatch(writer, ids.success, settings.success, weights)
      const { turn } = settings.success
      const first = yield* begun(batch)
      const steps = (from: Batch) => Stream.paginate(from, (at) => Effect.andThen(Effect.yieldNow, turn(advance(at))))
      return Stream.concat(
        Stream.fromIterable(first[0]),
        Option.match(first[1], { onNone: () => Stream.empty, onSome: steps })
      )
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
  /** of each of them: the tokens that the cache does not hold yet, at least one */
  readonly next: ReadonlyArray<ReadonlyArray<number>>
  /** forced tokens are read one after another where there are fewer, and there is one text */
  readonly few: number
  /** when the first tokens were chosen, in milliseconds; null: not yet */
  readonly began: number | null
}

/** `weights`: what keys and values are computed with, as `Reading` has it. */
const openBatch = (
  adapted: Adapted<CausalModel>,
  prompts: ReadonlyArray<ReadonlyArray<number>>,
  settings: Settings,
  weights: ReadonlyArray<unknown>
): Effect.Effect<Batch, never, Device | Scope.Scope> =>
  Effect.gen(function* () {
    const { padMultiple, backend } = yield* Device
    const { tokenizer, maxLength } = adapted.model
    const { promptCache } = settings
    const { padding, next } = aligned(prompts, tokenizer.padId)
    const writers = prompts.map((ids, i) => writer(tokenizer, i, ids, maxLength - ids.length, settings))
    const keys = (length: number) => [...weights, ...turnsOf(adapted.model, length)]
    const opened = () => {
      const newCache = keyValueCache({ padding, multiple: padMultiple })
      // the next prompt may differ from this one anywhere
      if (promptCache !== null) newCache.cut(0)
      return newCache
    }
    const cache = yield* Effect.acquireRelease(
      Effect.sync(() => promptCache?.take(keys(prompts[0]!.length), prompts[0]!) ?? opened()),
      (usedCache, exit) =>
        Effect.sync(() => {
          const text = [...prompts[0]!, ...writers[0]!.ids]
          const ids = text.slice(0, usedCache.length())
          const under = keys(ids.length)
          // keys and values of a failed pass must not be continued; those of an interrupted one are complete
          const sound = Exit.isSuccess(exit) || Exit.hasInterrupts(exit)
          // where these differ, it is not known which of them the keys were turned for
          const usable = sound && sameParts(under, keys(text.length))
          if (promptCache === null || !usable) return usedCache.dispose()
          promptCache.put({ weights: under, ids, cache: usedCache })
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
      few: settings.constraint === null || backend === "webgpu" ? 0 : FEW_TOKENS,
      began: null
    }
  })

/** Returns the rotary class of the keys of a text of `length` tokens: keys may be continued where it is the same. */
export const turnsOf = ({ decoder }: CausalModel, length: number): ReadonlyArray<unknown> =>
  decoder.rotary.map(({ dynamic, classOf }) => {
    const lengthClass = classOf(length)
    // a text that was written has keys of each length it had
    return dynamic && lengthClass > 0 ? Symbol() : lengthClass
  })

/**
 * The batch with all its texts to be read again, where one has outgrown the frequencies of its rotary positions (LongRoPE) by its last
 * tokens, as many as `added` says.
 */
const readAgain = (batch: Batch, added: ReadonlyArray<number>): Batch => {
  const { adapted, cache, writers, prompts } = batch
  const { decoder, tokenizer } = adapted.model
  const texts = writers.map(({ prompt, ids }) => [...prompts[prompt]!, ...ids])
  const outgrown = texts.some(({ length }, row) =>
    decoder.rotary.some(({ dynamic, classOf }) => !dynamic && classOf(length) !== classOf(length - added[row]!))
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

/** The tokens that texts must begin with, before a pass. */
const begun = (batch: Batch): Effect.Effect<Step, DeviceError, Device> =>
  batch.settings.constraint === null
    ? Effect.succeed([[], Option.some(batch)])
    : eventsOf(
        batch,
        batch.next,
        batch.writers.map(() => null)
      )

/** A part of the tokens that are known, or a token of each text all of whose tokens are read with it. */
const advance = (batch: Batch): Effect.Effect<Step, GenerationError | DeviceReadError | DeviceError, Device> => {
  const { adapted, cache, padding, next, few } = batch
  const most = Math.max(1, Math.floor(TOKENS_PER_PASS / next.length))
  const length = next.reduce((least, ids) => Math.min(least, ids.length), Number.POSITIVE_INFINITY)
  const count = batch.began !== null && next.length === 1 && length < few ? 1 : Math.min(most, length)
  const ids = next.map((all) => all.slice(0, count))
  const rest = next.map((all) => all.slice(count))
  const ahead = rest.map((all) => all.length)
  const pass: Pass = {
    adapted,
    ids,
    before: padding.map((pad) => cache.length() - pad),
    ahead,
    attend: () => cache.pass(count, Math.max(0, ...ahead))
  }
  if (length > count) {
    return Effect.sync(() => {
      readOnly(pass)
      return [[], Option.some({ ...batch, next: rest })]
    })
  }
  return Effect.flatMap(chosen(batch, pass, rest), (tokens) => eventsOf(batch, rest, tokens))
}

/** The next token of each row; null where tokens are known that it has not read, which are in `rest`. */
const chosen = (
  { settings, writers }: Batch,
  pass: Pass,
  rest: Batch["next"]
): Effect.Effect<ReadonlyArray<Choice | null>, GenerationError | DeviceReadError> =>
  Effect.gen(function* () {
    if (needsNoLogits(settings)) {
      const values = yield* read(() => nextTokens(pass))
      if (!values.slice(writers.length).every(Number.isFinite)) return yield* notFinite
      return Array.from(values.slice(0, writers.length), (id) => ({ id }))
    }
    const logits = yield* read(() => nextLogits(pass))
    if (!logits.every(Number.isFinite)) return yield* notFinite
    const width = logits.length / writers.length
    const tokens: Array<Choice | null> = []
    for (const [row, writer] of writers.entries()) {
      const after = logits.subarray(row * width, (row + 1) * width)
      const token = rest[row]!.length > 0 ? null : choiceAfter(writer, after, settings)
      if (token === null && rest[row]!.length === 0) return yield* impossible
      tokens.push(token)
    }
    return tokens
  })

/** Takes a token of each text, and those that must follow it; texts that end with these leave the batch. */
const eventsOf = (
  batch: Batch,
  rest: Batch["next"],
  tokens: ReadonlyArray<Choice | null>
): Effect.Effect<Step, DeviceError, Device> =>
  Effect.gen(function* () {
    const now = yield* milliseconds
    const { writers, cache, settings } = batch
    const began = batch.began ?? (tokens.some((token) => token !== null) ? now : null)
    const pushed = writers.map((writer, row) => pushedTo(writer, tokens[row]!, settings))
    for (const [row, token] of tokens.entries()) yield* observed(writers[row]!, token, pushed[row]!, settings)
    const events = pushed.flatMap(({ text, finish }, row): ReadonlyArray<GenerationEvent> => {
      const writer = writers[row]!
      const piece: ReadonlyArray<GenerationEvent> = text === "" ? [] : [{ kind: "text", prompt: writer.prompt, text }]
      return finish === null ? piece : [...piece, ended(batch, writer, finish, began === null ? null : now - began)]
    })
    const remaining = pushed.flatMap(({ finish }, row) => (finish === null ? [row] : []))
    // a failed device returns wrong numbers silently: texts that end here are verified first
    if (remaining.length < writers.length) yield* (yield* Device).sync
    if (remaining.length === 0) return [events, Option.none()]
    if (remaining.length < writers.length) cache.choose(remaining)
    const going: Batch = {
      ...batch,
      began,
      writers: remaining.map((row) => writers[row]!),
      padding: remaining.map((row) => batch.padding[row]!),
      next: remaining.map((row) => [...rest[row]!, ...pushed[row]!.ids])
    }
    return [
      events,
      Option.some(
        readAgain(
          going,
          remaining.map((row) => pushed[row]!.ids.length)
        )
      )
    ]
  })

const ended = (
  { prompts, cached }: Batch,
  writer: Writer,
  finish: Finish,
  milliseconds: number | null
): GenerationEnd => ({
  kind: "end",
  prompt: writer.prompt,
  text: writer.text(),
  ids: [...writer.ids],
  finish,
  promptTokens: prompts[writer.prompt]!.length,
  cachedTokens: cached,
  tokensPerSecond: tokensPerSecond(writer.ids, milliseconds)
})
