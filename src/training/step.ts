/**
 * One optimisation step: refresh → forward and backward → update → one read. The only owner of tensor lifetimes in training:
 * everything else is pure tensor code inside the tidies below.
 *
 * The step's numbers (loss, norms) leave the device in a single read at its end. A step that is not finite changes nothing: the
 * session keeps the last good parameters and state.
 */
import type { Scalar, Tensor, Tensor1D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Batch } from "../data/row.ts"
import { globalNorm } from "../optimizers/clip.ts"
import type { State } from "../optimizers/transform.ts"
import { valueAndGradients } from "../tensors/gradients.ts"
import { squaredNorm } from "../tensors/norm.ts"
import { type DeviceReadError, readTensor } from "../tensors/read.ts"
import { tidy } from "../tensors/tidy.ts"
import { mapTensors, type Trainable, tensorsOf, withTensors } from "../tensors/trainable.ts"
import { labelTensor, tokenTensors } from "./batch-tensors.ts"
import { type Health, type StepReport, summarize } from "./report.ts"
import type { Session } from "./session.ts"

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
    const { loss, gradients } = lossAndGradients(session, batches)
    const outcome = tidy(() => {
      const { updates, state } = optimizer.update(gradients, session.optimizerState, params)
      const next = mapTensors((p, u) => tf.add(p, u), params, updates)
      const numbers = tf.stack([loss, globalNorm(gradients), ...pairNorms(updates), ...pairNorms(next)])
      return { next: [...tensorsOf(next)], state, numbers }
    })
    tf.dispose([loss, ...tensorsOf(gradients)])
    const numbers = Array.from(yield* readTensor(outcome.numbers, `the loss of step ${number}`))
    outcome.numbers.dispose()
    const conditioning = optimizer.health?.(session.optimizerState, params) ?? []
    const next = withTensors(params, outcome.next)
    if (numbers.some((value) => !Number.isFinite(value))) {
      discard(next, outcome.state, session)
      return yield* new Diverged({ step: number, loss: numbers[0]!, where: firstNotFinite(numbers, params) })
    }
    commit(session, next, outcome.state)
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

/** Mean loss over all rows and its gradients; the caller disposes both. */
const lossAndGradients = (
  { adapted, loss }: Session,
  batches: ReadonlyArray<Batch>
): { readonly loss: Scalar; readonly gradients: Trainable } => {
  const params = adapted.trainable
  const rows = batches.reduce((sum, batch) => sum + batch.size, 0)
  let total: { readonly loss: Scalar; readonly gradients: ReadonlyArray<Tensor> } | undefined
  for (const batch of batches) {
    const share = batch.size / rows
    const before = total
    total = tidy(() => {
      const tokens = tokenTensors(batch)
      const labels: Tensor1D = labelTensor(batch)
      const { value, gradients } = valueAndGradients(() => {
        const mean = loss(adapted.forward(tokens, params), labels)
        return share === 1 ? mean : tf.mul(mean, share)
      }, tensorsOf(params))
      if (before === undefined) return { loss: value, gradients }
      return {
        loss: tf.add(before.loss, value) as Scalar,
        gradients: gradients.map((gradient, i) => tf.add(before.gradients[i]!, gradient))
      }
    })
    if (before !== undefined) tf.dispose([before.loss, ...before.gradients])
  }
  return { loss: total!.loss, gradients: withTensors(params, total!.gradients) }
}

/** ‖A‖², ‖B‖² of every pair. */
const pairNorms = ({ pairs }: Trainable): ReadonlyArray<Scalar> =>
  pairs.flatMap(({ A, B }) => [squaredNorm(A), squaredNorm(B)])

/** `numbers`: loss, ‖g‖, then ‖ΔA‖², ‖ΔB‖² per pair, then ‖A‖², ‖B‖² per pair after the step. */
const healthOf = (
  numbers: ReadonlyArray<number>,
  conditioning: ReadonlyArray<{ readonly site: string; readonly conditioning: number }>,
  { pairs }: Trainable
): Health => {
  const sites = pairs.map(({ site }) => site.name)
  const ratio = (i: number, factor: 0 | 1) =>
    Math.sqrt(numbers[2 + 2 * i + factor]! / (numbers[2 + 2 * (pairs.length + i) + factor]! || 1))
  const parts = {
    conditioning: summarize(
      conditioning.map((health) => health.conditioning),
      conditioning.map((health) => health.site),
      "smallest"
    ),
    relativeUpdateA: summarize(
      sites.map((_, i) => ratio(i, 0)),
      sites,
      "largest"
    ),
    relativeUpdateB: summarize(
      sites.map((_, i) => ratio(i, 1)),
      sites,
      "largest"
    )
  }
  return Object.fromEntries(Object.entries(parts).filter(([, part]) => part !== undefined))
}

const firstNotFinite = (numbers: ReadonlyArray<number>, { pairs }: Trainable): string => {
  if (!Number.isFinite(numbers[0]!)) return "the loss"
  const index = numbers.findIndex((value) => !Number.isFinite(value))
  if (index === 1) return "the gradients"
  const factor = index % 2 === 0 ? "A" : "B"
  return `${factor} of ${pairs[Math.floor((index - 2) / 2) % pairs.length]!.site.name}`
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

const discard = (next: Trainable, state: State, session: Session): void => {
  const kept = [...tensorsOf(session.adapted.trainable), ...tensorsIn(session.optimizerState)]
  release([...tensorsOf(next), ...tensorsIn(state)], kept)
}
