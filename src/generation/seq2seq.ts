/**
 * Generates targets with a sequence-to-sequence model: reads the sources once, then generates one token of each text per step.
 *
 * Sources of a batch may differ in length. A source whose target is finished takes no part in later steps. The target of a source does not
 * depend on the other sources.
 *
 * @example
 * import { Effect } from "effect"
 * import type { Adapted } from "tfjs-lora-pro/adapters"
 * import { writeTargets } from "tfjs-lora-pro/generation"
 * import type { Seq2Seq } from "tfjs-lora-pro/models"
 *
 * const translated = (adapted: Adapted<Seq2Seq.Seq2SeqModel>, text: string) =>
 *   Effect.gen(function* () {
 *     const { tokenizer } = adapted.model
 *     const source = tokenizer.encode(`translate English to German: ${text}`, { special: true })
 *     const [target] = yield* writeTargets(adapted, [source])
 *     return tokenizer.decode(target!.ids)
 *   })
 */
import type { Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Adapted } from "../../adapters/index.ts"
import { Device } from "../device/device.ts"
import type { DeviceError } from "../device/index.ts"
import { logitsOf } from "../models/causal/index.ts"
import type { Seq2SeqModel } from "../models/seq2seq/index.ts"
import type { DeviceReadError } from "../tensors/index.ts"
import { type Candidate, type TargetSearch, targetSearch, type WrittenTarget } from "./beams.ts"
import { type GenerateOptions, GenerationError, settingsOf, type TokenObserver } from "./options.ts"
import { notFinite, read } from "./reading.ts"
import { likelihoods } from "./sampling.ts"
import { type TargetCache, targetCache } from "./target-cache.ts"
import { type Finish, writer } from "./writer.ts"

/** Options for `writeTargets`: length and beam search. */
export interface WriteOptions {
  /** most tokens of a target, at least 1; default 64 */
  readonly maxNewTokens?: number
  /** number of beams per source, from 1 to half of the vocabulary; default 1: greedy decoding */
  readonly beams?: number
  /** exponent p of the beam score log p / lengthᵖ, any finite number; values above 0 favour longer targets; default 1 */
  readonly lengthPenalty?: number
}

type Ids = ReadonlyArray<number>

const isCount = (n: number) => Number.isSafeInteger(n) && n >= 1

const problemsOf = (
  { vocabularySize }: Seq2SeqModel,
  sources: ReadonlyArray<Ids>,
  { maxNewTokens, beams, lengthPenalty }: Required<WriteOptions>
): ReadonlyArray<string> => [
  ...(isCount(maxNewTokens) ? [] : [`maxNewTokens is ${maxNewTokens}; expected an integer of at least 1`]),
  ...(isCount(beams) && 2 * beams <= vocabularySize
    ? []
    : [`beams is ${beams}; expected an integer from 1 to half of the model's ${vocabularySize} tokens`]),
  ...(Number.isFinite(lengthPenalty) ? [] : [`lengthPenalty is ${lengthPenalty}; expected a finite number`]),
  ...sources.flatMap((ids, i) => {
    const sourceName = sources.length === 1 ? "the source" : `source ${i + 1}`
    const unknownId = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabularySize)
    return [
      ...(ids.length > 0
        ? []
        : [`${sourceName} has no tokens, but a model needs at least one; expected a non-empty text`]),
      ...(unknownId === undefined
        ? []
        : [`${sourceName} has the token ${unknownId}; the model's are 0 to ${vocabularySize - 1}`])
    ]
  })
]

/** Generates the target of each source in one batch. Frees its device memory at the end. */
export const writeTargets = (
  adapted: Adapted<Seq2SeqModel>,
  sources: ReadonlyArray<Ids>,
  { maxNewTokens = 64, beams = 1, lengthPenalty = 1 }: WriteOptions = {}
): Effect.Effect<ReadonlyArray<WrittenTarget>, GenerationError | DeviceReadError | DeviceError, Device> =>
  Effect.gen(function* () {
    const { model } = adapted
    const options = { maxNewTokens, beams, lengthPenalty }
    const problems = problemsOf(model, sources, options)
    if (problems.length > 0) return yield* new GenerationError({ problems })
    if (sources.length === 0) return []
    const { padMultiple, sync } = yield* Device
    const searches = sources.map(() => targetSearch({ ...options, eosId: model.eosId }))
    const cache = targetCache({ heads: model.attentionHeads, sources: sources.length, multiple: padMultiple })
    const longest = sources.reduce((most, { length }) => Math.max(most, length), 0)
    const length = Math.ceil(longest / padMultiple) * padMultiple
    return yield* Effect.ensuring(
      searchTargets({ adapted, cache, sources, length }, searches),
      Effect.sync(cache.dispose)
    ).pipe(
      // a failed device returns wrong numbers silently
      Effect.tap(sync)
    )
  })

interface Batch {
  readonly adapted: Adapted<Seq2SeqModel>
  readonly cache: TargetCache
  readonly sources: ReadonlyArray<Ids>
  /** of a source, with its padding */
  readonly length: number
}

const searchTargets = (
  batch: Batch,
  searches: ReadonlyArray<TargetSearch>
): Effect.Effect<ReadonlyArray<WrittenTarget>, GenerationError | DeviceReadError> =>
  Effect.gen(function* () {
    const { cache, sources, adapted } = batch
    const targets = new Array<WrittenTarget>(sources.length)
    /** sources whose targets are not written yet, by their places */
    let open = sources.map((_, i) => i)
    let tokens: Ids = sources.map(() => adapted.model.startId)
    while (open.length > 0) {
      yield* Effect.yieldNow
      const { width } = searches[0]!
      const values = yield* read(() => candidates(batch, open, tokens, width))
      if (!values.every(Number.isFinite)) return yield* notFinite
      const each = tokens.length / open.length
      const texts: Array<number> = []
      const remaining: Array<number> = []
      const next: Array<number> = []
      for (const [i, source] of open.entries()) {
        const candidates = Array.from({ length: each }, (_, text) => candidatesOf(values, i * each + text, width))
        const now = searches[source]!.push(candidates)
        if ("ids" in now) {
          targets[source] = now
          continue
        }
        remaining.push(i)
        for (const { from, token } of now) {
          texts.push(i * each + from)
          next.push(token)
        }
      }
      if (remaining.length > 0) cache.choose(texts, remaining)
      open = remaining.map((i) => open[i]!)
      tokens = next
    }
    return targets
  })

/** Options for `writeObserved`. */
export type ObservedOptions = Pick<GenerateOptions, "maxNewTokens" | "temperature" | "seed" | "turn"> & {
  /** called with each token of the target */
  readonly observer: TokenObserver
}

/**
 * Generates the target of one source and reports every chosen token: the most probable one or, at a temperature above 0, a sampled
 * one, as in `generate`. An interruption takes effect at the next token.
 */
export const writeObserved = (
  adapted: Adapted<Seq2SeqModel>,
  source: Ids,
  options: ObservedOptions
): Effect.Effect<Finish, GenerationError | DeviceReadError | DeviceError, Device> =>
  Effect.gen(function* () {
    const { model } = adapted
    const { eosId, tokenizer, startId } = model
    const settings = settingsOf({ eosIds: [eosId], tokenizer }, options)
    const problems = [
      ...(Result.isFailure(settings) ? settings.failure : []),
      ...problemsOf(model, [source], { maxNewTokens: 1, beams: 1, lengthPenalty: 1 })
    ]
    if (Result.isFailure(settings) || problems.length > 0) return yield* new GenerationError({ problems })
    const { padMultiple, sync } = yield* Device
    const cache = targetCache({ heads: model.attentionHeads, sources: 1, multiple: padMultiple })
    const length = Math.ceil(source.length / padMultiple) * padMultiple
    const batch: Batch = { adapted, cache, sources: [source], length }
    // positions are relative: there is room for any number of tokens
    const targetWriter = writer(tokenizer, 0, [], Number.POSITIVE_INFINITY, settings.success)
    const { observer, turn = settings.success.turn } = options
    const tokens = Effect.gen(function* () {
      let last = startId
      while (true) {
        yield* Effect.yieldNow
        const logits = yield* turn(read(() => logitsAfter(batch, [0], [last])))
        if (!logits.every(Number.isFinite)) return yield* notFinite
        // without a constraint there is always one
        const id = targetWriter.choose(logits)!
        const { probability, likeliest } = likelihoods(logits, id, observer.likeliest)
        const alternatives = likeliest.map(targetWriter.shown)
        const { text, finish } = targetWriter.push(id)
        yield* observer.tell({ id, prompt: 0, text, ends: finish === "eos", probability, likeliest: alternatives })
        if (finish !== null) return finish
        last = id
      }
    })
    return yield* Effect.ensuring(tokens, Effect.sync(cache.dispose)).pipe(Effect.tap(sync))
  })

/** The most probable tokens after each text, float32 [texts, 2·width]: their log-probabilities, then the tokens. */
const candidates = (batch: Batch, open: ReadonlyArray<number>, tokens: Ids, width: number): Tensor2D =>
  tf.tidy(() => {
    const logits = logitsAfter(batch, open, tokens)
    const { values, indices } =
      width === 1
        ? { values: tf.max(logits, 1, true), indices: tf.expandDims(tf.argMax(logits, 1), 1) }
        : tf.topk(logits, width)
    // float32 holds every token exactly
    return tf.concat([tf.sub(values, tf.logSumExp(logits, 1, true)), tf.cast(indices, "float32")], 1) as Tensor2D
  })

/** Logits after each text [texts, vocabulary], whose last tokens are given. */
const logitsAfter = ({ adapted, cache, sources, length }: Batch, open: ReadonlyArray<number>, tokens: Ids): Tensor2D =>
  tf.tidy(() => {
    const { padId } = adapted.model
    const padded = (of: (id: number) => number, pad: number) =>
      open.map((source) =>
        Array.from({ length }, (_, i) => (i < sources[source]!.length ? of(sources[source]![i]!) : pad))
      )
    const input = {
      inputIds: tf.tensor2d(
        padded((id) => id, padId),
        [open.length, length],
        "int32"
      ),
      attentionMask: tf.tensor2d(
        padded(() => 1, 0),
        [open.length, length]
      ),
      decoderInputIds: tf.tensor2d([...tokens], [tokens.length, 1], "int32"),
      attend: cache.pass()
    }
    const output = adapted.forward(input, adapted.trainable)
    return logitsOf(output.hidden, output)
  })

const candidatesOf = (values: Float32Array, text: number, width: number): ReadonlyArray<Candidate> => {
  const start = text * 2 * width
  return Array.from({ length: width }, (_, i) => ({
    logProbability: values[start + i]!,
    token: values[start + width + i]!
  }))
}
