/**
 * `learningRate: "auto"`: finds a learning rate from one gradient and a few forward passes on the first batches, before the first step.
 * Changes no state of the training.
 *
 * At a rate η the first step moves the parameters by Δ(η), which the optimizer's own transforms compute from the gradient g. The
 * gradient predicts a decrease of the loss by −⟨g, Δ(η)⟩; a forward pass at θ + Δ(η) measures the actual one. Their ratio
 * falls from 1 at small rates to 0 and below:
 *
 *   ρ(η) = (L(θ) − L(θ + Δ(η))) / −⟨g, Δ(η)⟩        ρ(h) = ½ at the turning rate h
 *
 * On a quadratic loss h is the minimum along the step, half of the rate at which gradient descent diverges. In a run, the noise and momentum
 * of many steps add up, so its rate is a fraction of h (`BODY_SHARE`, `HEAD_SHARE`; measured, docs/training.md). A new head is untrained and
 * needs another rate than the layers below it, often a hundred times theirs: its own Δ is tested separately.
 */
import type { Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { OptimizerConfig } from "../../schemas/index.ts"
import { scientific } from "../boundary/index.ts"
import type { BatchOf, Network } from "../models/index.ts"
import { toDevice } from "../models/index.ts"
import {
  type OptimizerObstacle,
  type OptimizerStateError,
  type Transform,
  tensorsWithin,
  transformOf
} from "../optimizers/index.ts"
import { working } from "../progress/index.ts"
import { type DeviceReadError, readTensor, type Trainable, tensorsOf, tidy, withTensors } from "../tensors/index.ts"
import { backward, type LossAndGradients } from "./backward.ts"
import { type FoundRate, withRate } from "./found-rate.ts"
import type { Session } from "./session.ts"

/** Learning rate as a fraction of the turning rate h. */
export const BODY_SHARE = 1 / 12
export const HEAD_SHARE = 1 / 3

/** Forward passes for a part whose losses are finite, in a run that is short and in others; and at most, where they are not. */
const SHORT = 50
const triesOf = (steps: number): number => (steps < SHORT ? 2 : 3)
const MOST_TRIES = 12
/** A first guess: the rate that promises this share of the loss. */
const PROMISED = 0.5
/** Of one try to the next. */
const LARGEST_FACTOR = 8
/** Near enough: the next would be less than this away. */
const CLOSE = 1.3
/** Where promises are looked at first. */
const REFERENCE = 1e-4

export class RateNotFound extends Schema.TaggedError<RateNotFound>()("RateNotFound", { reason: Schema.String }) {
  override get message() {
    return `optimizer.learningRate: "auto" found no rate: ${this.reason}; set optimizer.learningRate to a number for this run`
  }
}

type Part = "body" | "head"

/** Model whose learning rate is searched, with its loss. */
export type RateTested<M extends Network> = Pick<Session<M>, "adapted" | "loss" | "recompute">

/** Which of the tensors of a tree belong to a part, in the order of `tensorsOf`. */
const partOf = ({ pairs, dense }: Trainable): ReadonlyArray<Part> => [
  ...pairs.flatMap((): ReadonlyArray<Part> => ["body", "body"]),
  ...dense.map(({ role }): Part => role)
]

/** A step of one part that is tried. */
interface Try {
  readonly promised: number
  readonly loss: number
}

/** Searches the learning rate; see `findRate`. */
export const search = <M extends Network>(
  tested: RateTested<M>,
  config: OptimizerConfig,
  batches: ReadonlyArray<BatchOf<M>>,
  steps: number
): Effect.Effect<FoundRate, RateNotFound | DeviceReadError | OptimizerObstacle | OptimizerStateError> =>
  Effect.gen(function* () {
    if (batches.length === 0) return yield* new RateNotFound({ reason: "there are no training rows to test rates on" })
    const { adapted } = tested
    const parts = partOf(adapted.trainable)
    const passes = { backward: 1, forward: 0 }
    const at = (rate: number) => {
      const optimizerAtRate = withRate(
        { ...config, schedule: { kind: "constant" } },
        { learningRate: rate, headLearningRate: rate }
      )
      return Effect.flatMap(transformOf(optimizerAtRate, 1), (transform) => adapted.optimizer(transform, 1))
    }
    yield* working("finding the learning rate: the gradient")
    const gradient = backward({ ...tested, step: 0 }, batches)
    return yield* Effect.gen(function* () {
      const before = yield* numberIn(gradient.loss, "the loss before the first step")
      if (!Number.isFinite(before))
        return yield* new RateNotFound({ reason: `the loss before the first step is ${before}` })
      const turning = (part: Part) =>
        Effect.gen(function* () {
          const turningPoint = yield* turningRate(before, triesOf(steps), (rate, look) =>
            working(`finding the learning rate: forward pass ${passes.forward + 1}`).pipe(
              Effect.tap(() => Effect.sync(() => void (look && passes.forward++))),
              Effect.andThen(at(rate)),
              Effect.flatMap((optimizer) => tried(tested, optimizer, gradient, batches, (i) => parts[i] === part, look))
            )
          )
          return typeof turningPoint === "number"
            ? turningPoint
            : yield* new RateNotFound({ reason: `${part === "head" ? "for the head, " : ""}${turningPoint.reason}` })
        })
      const hasBody = parts.includes("body")
      const headIsSearched = parts.includes("head") && (config.headLearningRate === undefined || !hasBody)
      const head = headIsSearched ? yield* turning("head") : undefined
      const body = hasBody ? yield* turning("body") : undefined
      const headRate = head === undefined ? undefined : rounded(HEAD_SHARE * head)
      const rate = body === undefined ? headRate! : rounded(BODY_SHARE * body)
      return {
        learningRate: rate,
        ...(headRate === undefined || config.headLearningRate !== undefined ? {} : { headLearningRate: headRate }),
        reason: reasonOf({ rate, body, headRate, head }),
        passes
      }
    }).pipe(Effect.ensuring(Effect.sync(() => tf.dispose([gradient.loss, ...tensorsOf(gradient.gradients)]))))
  })

interface Reason {
  readonly rate: number
  readonly body: number | undefined
  readonly headRate: number | undefined
  readonly head: number | undefined
}

const reasonOf = ({ rate, body, headRate, head }: Reason): string => {
  const turns = (share: number, turning: number) =>
    `a ${share === HEAD_SHARE ? "third" : `${Math.round(1 / share)}th`} of ${scientific(turning, 2)}, the rate at which a first step lowers the loss by half of what the gradient predicts`
  if (body === undefined) return `learning rate ${scientific(rate)}: ${turns(HEAD_SHARE, head!)}`
  const note = `learning rate ${scientific(rate)}: ${turns(BODY_SHARE, body)}`
  return headRate === undefined
    ? note
    : `${note}; ${scientific(headRate)} for the head, a third of its ${scientific(head, 2)}`
}

/** To two digits: what a person would write, and no less exact than the test is. */
const rounded = (rate: number): number => Number(rate.toPrecision(2))

/** h with ρ(h) = ½, to about a third; or why there is none. */
const turningRate = <E>(
  before: number,
  tries: number,
  attempt: (rate: number, look: boolean) => Effect.Effect<Try, E>
): Effect.Effect<number | { readonly reason: string }, E> =>
  Effect.gen(function* () {
    const { promised: first } = yield* attempt(REFERENCE, false)
    if (!(first > 0) || !Number.isFinite(first))
      return {
        reason: first === 0 ? "its gradient is 0 at the start" : "its gradient is not finite or does not point downhill"
      }
    let rate = (REFERENCE * PROMISED * Math.max(Math.abs(before), 1e-3)) / first
    let finite = 0
    for (let n = 0; n < MOST_TRIES; n++) {
      const { promised, loss } = yield* attempt(rate, true)
      const fraction = (before - loss) / promised
      const sound = Number.isFinite(fraction) && promised > 0
      if (sound) finite++
      const factor =
        sound && fraction > 0
          ? Math.min(LARGEST_FACTOR, Math.max(1 / LARGEST_FACTOR, nextFactor(fraction)))
          : 1 / LARGEST_FACTOR
      rate *= factor
      const close = factor < CLOSE && factor > 1 / CLOSE
      if (sound && fraction > 0 && (close || finite >= tries)) return rate
    }
    return { reason: `no rate down to ${scientific(rate, 2)} lowers the loss of the first step's rows` }
  })

/** From a rate with this ρ to h, by ρ = 1/(1 + η/h), which losses of networks come near to; all the way where nothing is lost. */
const nextFactor = (fraction: number): number => (fraction >= 1 ? LARGEST_FACTOR : fraction / (1 - fraction))

/** The first step of a part: what its gradient promises, and if asked for the loss after it. */
const tried = <M extends Network>(
  { adapted, loss }: RateTested<M>,
  optimizer: Transform,
  { gradients }: LossAndGradients,
  batches: ReadonlyArray<BatchOf<M>>,
  inPart: (index: number) => boolean,
  look: boolean
): Effect.Effect<Try, DeviceReadError> =>
  Effect.gen(function* () {
    const params = adapted.trainable
    const made = optimizer.init(params)
    // a rate is found by each process alone, so that none can be lost
    const refreshed = optimizer.refresh?.(made, params) ?? Effect.succeed(made)
    const state = yield* Effect.catchTag(refreshed, "RankError", Effect.die)
    const numbers = tidy(() => {
      const { updates } = optimizer.update(gradients, state, params)
      const [moves, g, now] = [updates, gradients, params].map(tensorsOf)
      const moved = now!.map((tensor, i) => (inPart(i) ? tf.add(tensor, moves![i]!) : tensor))
      const promised = g!.flatMap((tensor, i) => (inPart(i) ? [tf.neg(tf.sum(tf.mul(tensor, moves![i]!)))] : []))
      return tf.stack([tf.addN(promised), look ? lossAt(withTensors(params, moved)) : tf.scalar(0)])
    })
    tf.dispose([...new Set([...tensorsWithin(made), ...tensorsWithin(state)])])
    const [promised, after] = yield* readTensor(numbers, "the loss of a rate that is tried").pipe(
      Effect.ensuring(Effect.sync(() => numbers.dispose()))
    )
    return { promised: promised!, loss: after! }

    function lossAt(trainable: Trainable): Tensor {
      const counts = batches.map(({ size, counted = size }) => counted)
      const all = counts.reduce((sum, count) => sum + count, 0)
      return tf.addN(
        batches.map((batch, i) => {
          const { input, target } = toDevice(adapted.model, batch)
          const output = adapted.forward(input, trainable, { training: { step: 0, batch: i } })
          return tf.mul(loss(output, target), counts[i]! / all)
        })
      )
    }
  })

const numberIn = (scalar: Tensor, what: string) => Effect.map(readTensor(scalar, what), (values) => values[0]!)
