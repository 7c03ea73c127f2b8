/**
 * Text from a causal language model, as a stream: prompts are read once, in parts, then every step writes one token of each.
 *
 * Prompts of a batch may have any lengths: shorter ones have padding before them that nothing attends, and each has positions of its own.
 * A text that has ended takes no part in the steps behind it. What a prompt becomes does not depend on the others.
 *
 * @example
 * yield* generate(adapted, ["The capital of France is"], { maxNewTokens: 32 }).pipe(
 *   Stream.runForEach((event) => (event.kind === "text" ? Console.log(event.text) : Effect.void))
 * )
 */
import type { Tensor2D } from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Adapted, injectSelected } from "../../adapters/index.ts"
import { Device, type DeviceError } from "../device/index.ts"
import type { CausalModel } from "../models/causal/index.ts"
import { type DeviceReadError, readTensor } from "../tensors/read.ts"
import { type KeyValueCache, keyValueCache } from "./cache.ts"
import { type GenerateOptions, GenerationError, type Prompt, promptIds, type Settings, settingsOf } from "./options.ts"
import { nextLogits, nextTokens, type Pass, readOnly } from "./passes.ts"
import { isGreedy } from "./sampling.ts"
import { type Finish, type Writer, writer } from "./writer.ts"

export type GenerationEvent =
  /** a piece of a prompt's text: whole characters, no part of a stop string */
  { readonly kind: "text"; readonly prompt: number; readonly text: string } | GenerationEnd

export interface GenerationEnd {
  readonly kind: "end"
  /** place of the prompt */
  readonly prompt: number
  /** all of it, without the stop string */
  readonly text: string
  /** the tokens that were chosen, the last that ends a text among them */
  readonly ids: ReadonlyArray<number>
  readonly finish: Finish
  readonly promptTokens: number
  /** of this text, behind its first token; null: it has no second */
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
      if (Result.isFailure(settings) || Result.isFailure(ids)) {
        const problems = [
          ...(Result.isFailure(settings) ? settings.failure : []),
          ...(Result.isFailure(ids) ? ids.failure : [])
        ]
        return yield* new GenerationError({ problems })
      }
      if (ids.success.length === 0) return Stream.empty
      const used = settings.success.base ? yield* frozenOf(model) : adapted
      const batch = yield* openBatch(used, ids.success, settings.success)
      return Stream.paginate(batch, (at) => Effect.andThen(Effect.yieldNow, advance(at)))
    })
  )

/** The model without what was trained. */
const frozenOf = (model: CausalModel) =>
  // nothing is chosen or started, so nothing can be wrong with it
  injectSelected<object, CausalModel>(model, null, { sites: [], parameters: [] }, 0).pipe(Effect.orDie)

interface Batch {
  readonly adapted: Adapted<CausalModel>
  readonly settings: Settings
  readonly cache: KeyValueCache
  readonly prompts: ReadonlyArray<ReadonlyArray<number>>
  /** texts that have not ended, in the order of the cache's rows */
  readonly writers: ReadonlyArray<Writer>
  /** of each of them: places before its first token */
  readonly padding: ReadonlyArray<number>
  /** of each of them: the tokens that the cache does not hold yet, equally many */
  readonly next: ReadonlyArray<ReadonlyArray<number>>
  /** when the first tokens were chosen, in milliseconds */
  readonly began: number
}

const openBatch = (
  adapted: Adapted<CausalModel>,
  prompts: ReadonlyArray<ReadonlyArray<number>>,
  settings: Settings
): Effect.Effect<Batch, never, Device | Scope.Scope> =>
  Effect.gen(function* () {
    const { padMultiple } = yield* Device
    const { tokenizer, maxLength } = adapted.model
    const longest = prompts.reduce((most, ids) => Math.max(most, ids.length), 0)
    const padding = prompts.map((ids) => longest - ids.length)
    const cache = yield* Effect.acquireRelease(
      Effect.sync(() => keyValueCache({ padding, multiple: padMultiple })),
      (own) => Effect.sync(own.dispose)
    )
    return {
      adapted,
      settings,
      cache,
      prompts,
      writers: prompts.map((ids, i) => writer(tokenizer, i, ids, maxLength - ids.length, settings)),
      padding,
      next: prompts.map((ids, i) => [...new Array<number>(padding[i]!).fill(tokenizer.padId), ...ids]),
      began: 0
    }
  })

type Step = readonly [ReadonlyArray<GenerationEvent>, Option.Option<Batch>]

/** A part of the prompts, or a token of each text. */
const advance = (batch: Batch): Effect.Effect<Step, GenerationError | DeviceReadError | DeviceError, Device> => {
  const { adapted, cache, padding, next } = batch
  const most = Math.max(1, Math.floor(TOKENS_PER_PASS / next.length))
  if (next[0]!.length > most) {
    return Effect.sync(() => {
      readOnly({ adapted, cache, padding, ids: next.map((ids) => ids.slice(0, most)) })
      return [[], Option.some({ ...batch, next: next.map((ids) => ids.slice(most)) })]
    })
  }
  return Effect.flatMap(chosen(batch, { adapted, cache, padding, ids: next }), (tokens) => written(batch, tokens))
}

/** The next token of each row. */
const chosen = (
  { settings, writers }: Batch,
  pass: Pass
): Effect.Effect<ReadonlyArray<number>, GenerationError | DeviceReadError> =>
  Effect.gen(function* () {
    if (isGreedy(settings.sampling)) {
      const values = yield* read(() => nextTokens(pass))
      if (!values.slice(writers.length).every(Number.isFinite)) return yield* notFinite
      return [...values.slice(0, writers.length)]
    }
    const logits = yield* read(() => nextLogits(pass))
    if (!logits.every(Number.isFinite)) return yield* notFinite
    const width = logits.length / writers.length
    return writers.map((own, row) => own.choose(logits.subarray(row * width, (row + 1) * width)))
  })

const notFinite = Effect.suspend(() => {
  const problem = "the model computes numbers that are not finite; its weights or what was trained are damaged"
  return Effect.fail(new GenerationError({ problems: [problem] }))
})

/** The values of a tensor that is disposed then. */
const read = (make: () => Tensor2D): Effect.Effect<Float32Array, DeviceReadError> =>
  Effect.acquireUseRelease(
    Effect.sync(make),
    (tensor) => readTensor(tensor, "the next tokens") as Effect.Effect<Float32Array, DeviceReadError>,
    (tensor) => Effect.sync(() => tensor.dispose())
  )

/** Takes a token of each text; texts that end with it leave the batch. */
const written = (batch: Batch, tokens: ReadonlyArray<number>): Effect.Effect<Step, DeviceError, Device> =>
  Effect.gen(function* () {
    const now = performance.now()
    const { writers, prompts, cache } = batch
    const began = writers.every(({ ids }) => ids.length === 0) ? now : batch.began
    const told = writers.map((own, row) => own.push(tokens[row]!))
    const events = told.flatMap(({ text, finish }, row): ReadonlyArray<GenerationEvent> => {
      const own = writers[row]!
      const piece: ReadonlyArray<GenerationEvent> = text === "" ? [] : [{ kind: "text", prompt: own.prompt, text }]
      return finish === null ? piece : [...piece, ended(own, finish, prompts[own.prompt]!.length, now - began)]
    })
    const left = told.flatMap(({ finish }, row) => (finish === null ? [row] : []))
    // a failed device hands out other numbers without a word: what ends here is vouched for
    if (left.length < writers.length) yield* (yield* Device).sync
    if (left.length === 0) return [events, Option.none()]
    if (left.length < writers.length) cache.choose(left)
    const rest: Batch = {
      ...batch,
      began,
      writers: left.map((row) => writers[row]!),
      padding: left.map((row) => batch.padding[row]!),
      next: left.map((row) => [tokens[row]!])
    }
    return [events, Option.some(rest)]
  })

const ended = (own: Writer, finish: Finish, promptTokens: number, milliseconds: number): GenerationEnd => ({
  kind: "end",
  prompt: own.prompt,
  text: own.text(),
  ids: [...own.ids],
  finish,
  promptTokens,
  tokensPerSecond: own.ids.length < 2 ? null : (1000 * (own.ids.length - 1)) / milliseconds
})
