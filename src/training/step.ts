/**
 * One optimisation step: refresh → forward and backward → update → one read. The only owner of tensor lifetimes in training:
 * everything else is pure tensor code inside tidies.
 *
 * A step that is not finite changes nothing: the session keeps the last good parameters and state.
 */
import type { Tensor } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Batch, BatchPosition, TrainingBatch } from "../data/index.ts"
import { combined } from "../kernels/combination.ts"
import type { State } from "../optimizers/transform.ts"
import { type DeviceReadError, readTensor } from "../tensors/read.ts"
import { tidy } from "../tensors/tidy.ts"
import { type Trainable, tensorsOf, withTensors } from "../tensors/trainable.ts"
import { backward, type LossAndGradients } from "./backward.ts"
import { originOf } from "./not-finite.ts"
import type { StepReport } from "./report.ts"
import type { Session } from "./session.ts"
import { firstNotFinite, healthOf, stepNumbers } from "./step-numbers.ts"

export class Diverged extends Schema.TaggedError<Diverged>()("Diverged", {
  step: Schema.Int,
  loss: Schema.Number,
  where: Schema.String
}) {
  override get message() {
    return `step ${this.step} is not finite (loss ${this.loss}; first at ${this.where}): lower the learning rate, add warm-up, or set optimizer.clipNorm; the parameters of step ${this.step - 1} are kept`
  }
}

export type StepError = Diverged | DeviceReadError

/** Takes one step over `batches`, whose gradients are averaged by their rows. */
export const step = (session: Session, batches: ReadonlyArray<Batch>): Effect.Effect<StepReport, StepError> =>
  Effect.gen(function* () {
    const began = performance.now()
    const { adapted, optimizer } = session
    const number = session.step + 1
    const learningRate = optimizer.learningRate?.(session.optimizerState) ?? null
    yield* refresh(session)
    const params = adapted.trainable
    const conditioning = optimizer.health?.(session.optimizerState, params) ?? []
    const { next, state, numbers: vector } = update(session, backward(session, batches))
    const numbers = yield* readTensor(vector, `the loss of step ${number}`)
    vector.dispose()
    const symptom = firstNotFinite(numbers, params)
    if (symptom !== undefined) {
      discard(session, next, state)
      const where = (yield* originOf(session, batches)) ?? symptom
      return yield* new Diverged({ step: number, loss: numbers[0]!, where })
    }
    commit(session, next, state)
    session.position = positionAfter(session.position, batches)
    const milliseconds = performance.now() - began
    const tokens = batches.reduce((sum, batch) => sum + batch.tokens, 0)
    return {
      kind: "step",
      step: number,
      loss: numbers[0]!,
      learningRate,
      gradNorm: numbers[1]!,
      rows: batches.reduce((sum, batch) => sum + batch.size, 0),
      tokens,
      tokensPerSecond: (tokens / milliseconds) * 1000,
      milliseconds,
      health: healthOf(numbers, conditioning, params)
    }
  })

const refresh = (session: Session): Effect.Effect<void, DeviceReadError> => {
  const before = session.optimizerState
  return (session.optimizer.refresh?.(before, session.adapted.trainable) ?? Effect.succeed(before)).pipe(
    Effect.map((state) => {
      session.optimizerState = state
      release(tensorsIn(before), tensorsIn(state))
    })
  )
}

/** The next parameters and state, and the step's numbers; uses up the gradients. */
const update = ({ adapted, optimizer, optimizerState }: Session, { loss, gradients }: LossAndGradients) => {
  const params = adapted.trainable
  const outcome = tidy(() => {
    const { updates, state } = optimizer.update(gradients, optimizerState, params)
    const next = withTensors(params, combined(1, tensorsOf(params), 1, tensorsOf(updates)))
    return { next: tensorsOf(next), state, numbers: stepNumbers(loss, gradients, updates, next) }
  })
  tf.dispose([loss, ...tensorsOf(gradients)])
  return { ...outcome, next: withTensors(params, outcome.next) }
}

/** Batches of a plan carry their place; others leave the position as it is. */
const positionAfter = (
  position: BatchPosition,
  batches: ReadonlyArray<Batch & Partial<TrainingBatch>>
): BatchPosition => {
  const last = batches.at(-1)
  if (last?.epoch === undefined || last.index === undefined) return position
  return { epoch: last.epoch, batch: last.index + 1 }
}

const tensorsIn = (state: State): ReadonlyArray<Tensor> => {
  if (state === null || typeof state === "number") return []
  if (state instanceof tf.Tensor) return [state]
  return (Array.isArray(state) ? state : Object.values(state)).flatMap(tensorsIn)
}

/** Disposes the tensors of `before` that `after` no longer holds. */
const release = (before: ReadonlyArray<Tensor>, after: ReadonlyArray<Tensor>): void => {
  const kept = new Set(after)
  for (const tensor of before) if (!kept.has(tensor)) tensor.dispose()
}

const commit = (session: Session, next: Trainable, state: State): void => {
  const before = [...tensorsOf(session.adapted.trainable), ...tensorsIn(session.optimizerState)]
  release(before, [...tensorsOf(next), ...tensorsIn(state)])
  session.adapted.trainable = next
  session.optimizerState = state
  session.step += 1
}

const discard = (session: Session, next: Trainable, state: State): void => {
  const kept = [...tensorsOf(session.adapted.trainable), ...tensorsIn(session.optimizerState)]
  release([...tensorsOf(next), ...tensorsIn(state)], kept)
}
