/** A causal language model over batches of pairs of answers, and reference log-probabilities from before training. */
import type { Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Adapted } from "../../../../adapters/index.ts"
import type { Padding } from "../../../data/index.ts"
import { type PairRows, type PreferenceSplit, padPairs } from "../../../data/preference/index.ts"
import { type CausalInput, type CausalModel, type CausalOutput, causalToDevice } from "../../../models/causal/index.ts"
import { baseLinear, type Network, type OnDevice } from "../../../models/index.ts"
import { floats, inRounds, type RankError } from "../../../ranks/index.ts"
import {
  type CausalRows,
  type DeviceReadError,
  everyTensorOf,
  mapEveryTensor,
  readTensor,
  tidy
} from "../../../tensors/index.ts"
import { countedTokens } from "../../../training/index.ts"
import { type PairTarget, sequenceSums } from "./loss.ts"

/** A batch of pairs, with the reference log-probabilities of their answers if the loss needs them. */
export interface PairBatch extends PairRows {
  readonly reference?: Float32Array // [2n]
}

/** A batch on the device. Parts of a batch that are not pairs, as from `Stack.sequences`, have no target. */
type PairsOnDevice = OnDevice<CausalInput, PairTarget> & Pick<ReturnType<CausalModel["toDevice"]>, "mask">

export interface PairsModel extends Omit<CausalModel, "toDevice">, Network {
  readonly head: CausalModel["head"]
  readonly sites: CausalModel["sites"]
  readonly parameters: CausalModel["parameters"]
  readonly stack: CausalModel["stack"]
  readonly prefix: string
  readonly forward: CausalModel["forward"]
  readonly toDevice: (
    batch: CausalRows & Partial<Pick<PairBatch, "answers" | "reference" | "counted">>
  ) => PairsOnDevice
}

export const pairsModel = (model: CausalModel): PairsModel => ({
  ...model,
  toDevice: (batch) => {
    const { target: labels, ...modelInputs } = model.toDevice(batch)
    const { size, length, answers = new Float32Array(size * length), reference } = batch
    const better = batch.labels.subarray(0, (size / 2) * length)
    return {
      ...modelInputs,
      target: {
        labels,
        answers: tf.tensor2d(answers, [size, length]),
        counted: countedTokens({ labels: better }),
        ...(reference === undefined ? {} : { reference: tf.tensor1d(reference) })
      }
    }
  }
})

/** Returns the same model over batches of texts, for generation and merging. */
export const writingModel = (adapted: Adapted<PairsModel>): Adapted<CausalModel> => {
  const { model } = adapted
  return { ...adapted, model: { ...model, toDevice: causalToDevice(model.decoder) } }
}

/** Log-probabilities of answers before training, two per row of a split, each computed once. */
export interface References {
  /** returns [2n], in the order of the batch */
  readonly of: (batch: PairRows) => Effect.Effect<Float32Array, DeviceReadError>
  /** returns [2n] where all ranks pass the same batch; ranks share the computation of missing values */
  readonly together: (batch: PairRows) => Effect.Effect<Float32Array, DeviceReadError | RankError>
}

const cached = new WeakMap<object, WeakMap<PreferenceSplit, References>>()

/** Forward passes of the initial adapters, by the weights of their models. */
const beginnings = new WeakMap<object, (input: CausalInput) => CausalOutput>()

/** Keeps the current state of `adapted` as the reference, until the scope closes. */
export const keepBeginning = (adapted: Adapted<PairsModel>): Effect.Effect<void, never, Scope.Scope> => {
  const { model, forward } = adapted
  return Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => tidy(() => mapEveryTensor((tensor) => tf.keep(tensor.clone()), adapted.trainable))),
      (copies) => Effect.sync(() => tf.dispose([...everyTensorOf(copies)]))
    ),
    (copies) => void beginnings.set(model.weights, (input) => forward(input, copies))
  )
}

/**
 * Opens the reference log-probabilities of a split: with the adapter switched off, or with the one in `adapter.from`. Each pair is computed
 * alone, so that its values depend neither on its batch nor on the step from which a run resumes.
 */
export const referencesOf = (model: PairsModel, split: PreferenceSplit, lengths: Lengths): References => {
  const ofModel = cached.get(model.weights) ?? new WeakMap<PreferenceSplit, References>()
  cached.set(model.weights, ofModel)
  const references = ofModel.get(split) ?? computedOnce(model, split.rows, lengths)
  ofModel.set(split, references)
  return references
}

/** Padding of batches on the device. */
type Lengths = Pick<Padding, "padMultiple" | "maxLength">

const computedOnce = (model: PairsModel, rows: number, lengths: Lengths): References => {
  const { padId } = model.tokenizer
  const sums = new Float32Array(2 * rows).fill(Number.NaN)
  type Pair = PairRows["pairs"][number]
  const compute = (pair: Pair) => answerSums(model, padPairs([pair], { ...lengths, padId, prompts: false }))
  const use = (pair: Pair, pairSums: Float32Array) => Effect.sync(() => sums.set(pairSums, 2 * pair.row))
  const missing = (pairs: ReadonlyArray<Pair>) => pairs.filter(({ row }) => Number.isNaN(sums[2 * row]))
  const ofPairs = (pairs: ReadonlyArray<Pair>) =>
    Float32Array.from(
      { length: 2 * pairs.length },
      (_, i) => sums[2 * pairs[i % pairs.length]!.row + (i < pairs.length ? 0 : 1)]!
    )
  return {
    of: ({ pairs }) =>
      Effect.forEach(missing(pairs), (pair) => Effect.flatMap(compute(pair), (pairSums) => use(pair, pairSums)), {
        discard: true
      }).pipe(Effect.map(() => ofPairs(pairs))),
    together: ({ pairs }) =>
      Stream.fromIterable(missing(pairs)).pipe(
        inRounds({ compute, as: floats, use }),
        Effect.map(() => ofPairs(pairs))
      )
  }
}

/** Returns log-probabilities [2n] of the answers for the current model. */
const answerSums = (model: PairsModel, batch: PairRows): Effect.Effect<Float32Array, DeviceReadError> =>
  Effect.acquireUseRelease(
    Effect.sync(() =>
      tf.tidy(() => {
        const { input, target } = model.toDevice(batch)
        const forward =
          beginnings.get(model.weights) ?? ((rows) => model.forward(rows, baseLinear(model), model.weights))
        return sequenceSums(forward(input), target).answers
      })
    ),
    (sums) => Effect.map(readTensor(sums, "log-probabilities before training"), (values) => values as Float32Array),
    (sums) => Effect.sync(() => sums.dispose())
  )

/** Returns log-probabilities [2, 2n] on the host: of each sequence's answer, and of all its labels. */
export const pairSums = (
  adapted: Adapted<PairsModel>,
  batch: PairBatch
): Effect.Effect<Float32Array, DeviceReadError> =>
  Effect.acquireUseRelease(
    Effect.sync(() =>
      tf.tidy(() => {
        const { input, target } = adapted.model.toDevice(batch)
        const { answers, all } = sequenceSums(adapted.forward(input, adapted.trainable), target)
        return tf.stack([answers, all]) as Tensor2D
      })
    ),
    (sums) => Effect.map(readTensor(sums, "log-probabilities of a batch"), (values) => values as Float32Array),
    (sums) => Effect.sync(() => sums.dispose())
  )
