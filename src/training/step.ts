/**
 * Optimizer steps: refresh → forward and backward → update; and one read after the last step. The only owner of tensor
 * lifetimes in training: everything else is pure tensor code inside tidies.
 *
 *   takeStep        one step over some batches
 *   takeSteps       several steps, whose numbers are read at once: a read waits for all pending work of the device, so a GPU
 *                   is given several steps before their numbers are read
 *   attemptSteps    the part that both share, without rollback
 *   dispatchStep    dispatches one step's work to the device without reading
 *
 * A step that is not finite has no effect: the session is rolled back to its state before the first of the steps.
 */

import type { Tensor, Tensor1D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { BatchPosition, TrainingBatch } from "../data/index.ts"
import { combined } from "../kernels/index.ts"
import type { BatchOf, Model, Network, Rows } from "../models/index.ts"
import {
  type Conditioning,
  OptimizerStateError,
  type State,
  stateFault,
  type Transform,
  tensorsWithin
} from "../optimizers/index.ts"
import { milliseconds } from "../progress/index.ts"
import { type RankError, Ranks } from "../ranks/index.ts"
import {
  type DeviceReadError,
  disposeAll,
  readTensor,
  type Trainable,
  tensorsOf,
  tidy,
  withTensors
} from "../tensors/index.ts"
import { backward, type LossAndGradients } from "./backward.ts"
import { type AnySession, advance, release, rollback, type Session, type Snapshot, snapshotOf } from "./session.ts"
import { type ConditionedSites, firstNotFinite, healthOf, type StepReport, stepNumbers } from "./step-report.ts"

/**
 * Error of a step whose loss, gradients or parameters are not finite, with the first place where this was found. The session keeps its state
 * before the step.
 */
export class Diverged extends Schema.TaggedError<Diverged>()("Diverged", {
  /** attempted step, counted from 1 */
  step: Schema.Int,
  /** loss of the step as read; may itself be finite */
  loss: Schema.Number,
  /** first place that is not finite, in words: "the loss", "A of " and a layer */
  where: Schema.String
}) {
  override get message() {
    return `step ${this.step} is not finite (loss ${this.loss}; first at ${this.where}): lower the learning rate, add warm-up, or set optimizer.clipNorm; the parameters of step ${this.step - 1} are kept`
  }
}

/** Errors that end an attempted step; others are detected in its numbers. */
export type AttemptError = DeviceReadError | OptimizerStateError | RankError

/** Errors of a step. */
export type StepError = Diverged | AttemptError

/** Takes one step over `batches`, whose gradients are averaged, weighted by their rows. */
export const takeStep = <M extends Network>(
  session: Session<M>,
  batches: ReadonlyArray<BatchOf<M>>,
  begins?: (step: number) => void
): Effect.Effect<StepReport, StepError> =>
  takeSteps(session, [batches], begins).pipe(
    Effect.flatMap((reports) =>
      reports instanceof NotFinite ? diverged(session, batches, reports) : Effect.succeed(reports[0]!)
    )
  )

export const diverged = <M extends Network>(
  session: Session<M>,
  batches: ReadonlyArray<BatchOf<M>>,
  { loss, symptom }: NotFinite
) =>
  Effect.gen(function* () {
    const { originOf } = yield* Effect.promise(() => import("./not-finite.ts"))
    const origin = yield* originOf(session, batches)
    return yield* new Diverged({ step: session.step + 1, loss, where: origin ?? symptom })
  })

/** Result of a step that is not finite: its loss, and where it was found. The session keeps its state before the steps. */
export class NotFinite {
  /** loss of the step as read; may itself be finite */
  readonly loss: number
  /** first place that is not finite, in words: "the loss", "the gradients", "A of " and a layer */
  readonly symptom: string

  constructor(loss: number, symptom: string) {
    this.loss = loss
    this.symptom = symptom
  }
}

/**
 * Takes a step over each group of batches and reads their numbers at once, after the last. If they are not all finite, no step was
 * taken: take them one by one then. `begins`: called with the number of each step before its work is dispatched. Reported times are
 * fractions of the total.
 */
export const takeSteps = <M extends Network>(
  session: Session<M>,
  groups: ReadonlyArray<ReadonlyArray<BatchOf<M>>>,
  begins: (step: number) => void = () => {}
): Effect.Effect<ReadonlyArray<StepReport> | NotFinite, AttemptError> =>
  withRollback(session, (start) => attemptSteps(session, groups, start, begins))

/** Rolls the session back if an attempt fails or is not finite. */
export const withRollback = <A, E>(
  session: AnySession,
  attempted: (start: Snapshot) => Effect.Effect<A | NotFinite, E>
): Effect.Effect<A | NotFinite, E> =>
  Effect.suspend(() => {
    const start = snapshotOf(session)
    return attempted(start).pipe(
      Effect.tap((reports) =>
        Effect.sync(() => {
          if (reports instanceof NotFinite) rollback(session, start)
          else release(start, snapshotOf(session))
        })
      ),
      Effect.onError(() => Effect.sync(() => rollback(session, start)))
    )
  })

/** Input of a step's backward pass: a session with the refreshed optimizer state and its health. */
export interface AboutToStep<M extends Network = Model> {
  readonly session: Session<M>
  readonly refreshed: State
  readonly conditionings: ReadonlyArray<Conditioning>
  readonly batches: ReadonlyArray<BatchOf<M>>
}

/** Computes a step's loss and gradients, and the milliseconds that do not count as the step's time. */
export type Differentiate<M extends Network = Model> = (
  step: AboutToStep<M>
) => Effect.Effect<LossAndGradients & { readonly aside?: number }, DeviceReadError | RankError>

/** Loaded where there are several ranks: a page has one. */
const divided = Effect.promise(() => import("./divided-backward.ts"))

/** By this rank alone, or with the others. */
const plainly = <M extends Network>({ session, batches }: AboutToStep<M>) =>
  Effect.flatMap(Ranks, (ranks) =>
    ranks.size === 1
      ? Effect.sync(() => backward(session, batches))
      : Effect.flatMap(divided, ({ dividedBackward }) => dividedBackward(ranks, session, batches))
  )

/** Reads the values of the parameters that the optimizer needs for the next update: for LoRA-Pro, eigenvalues of AAᵀ and BᵀB. */
export const refresh = <M extends Network>(
  session: Session<M>
): Effect.Effect<void, DeviceReadError | OptimizerStateError | RankError> =>
  Effect.gen(function* () {
    const before = snapshotOf(session as AnySession)
    const refreshed = yield* refreshedState(session, before.optimizerState)
    const after = { ...before, optimizerState: refreshed }
    advance(session as AnySession, after, after)
  })

/** Computes the updates from the gradients, which are disposed, and the optimizer's state after this step. */
export const updatesOf = <M extends Network>(
  { adapted, optimizer, optimizerState }: Session<M>,
  gradients: Trainable
): ReturnType<Transform["update"]> => {
  const moved = tidy(() => optimizer.update(gradients, optimizerState, adapted.trainable))
  const held = new Set([...tensorsOf(moved.updates), ...tensorsWithin(moved.state)])
  disposeAll(tensorsOf(gradients).filter((tensor) => !held.has(tensor)))
  return moved
}

/**
 * Ends a step taken by hand: adds the updates to the parameters and stores the optimizer's state, both from `updatesOf`. Disposes the updates,
 * and the previous parameters and state.
 */
export const applyUpdates = <M extends Network>(
  session: Session<M>,
  { updates, state }: ReturnType<Transform["update"]>
): void => {
  const { adapted, step, position } = session
  const moved = tensorsOf(updates)
  const next = tidy(() => combined(1, tensorsOf(adapted.trainable), 1, moved))
  // a state may hold an update itself
  const held = new Set(tensorsWithin(state))
  disposeAll(moved.filter((tensor) => !held.has(tensor)))
  const after = { trainable: withTensors(adapted.trainable, next), optimizerState: state, step: step + 1, position }
  advance(session as AnySession, after, after)
}

const refreshedState = ({ adapted, optimizer }: Pick<Session<Network>, "adapted" | "optimizer">, before: State) =>
  Effect.gen(function* () {
    const refreshed = yield* optimizer.refresh?.(before, adapted.trainable) ?? Effect.succeed(before)
    yield* mustBeState(refreshed, before)
    return refreshed
  })

/** Advances the session over all groups; keeps the tensors of `start`. */
export const attemptSteps = <M extends Network>(
  session: Session<M>,
  groups: ReadonlyArray<ReadonlyArray<BatchOf<M>>>,
  start: Snapshot,
  begins: (step: number) => void,
  differentiate: Differentiate<M> = plainly
): Effect.Effect<ReadonlyArray<StepReport> | NotFinite, AttemptError> =>
  Effect.gen(function* () {
    const began = yield* milliseconds
    const dispatched: Array<DispatchedStep> = []
    for (const batches of groups) {
      begins(session.step + 1)
      dispatched.push(yield* dispatchStep(session, batches, start, differentiate))
    }
    const numbers = yield* readNumbers(dispatched)
    const aside = dispatched.reduce((sum, step) => sum + step.aside, 0)
    const each = ((yield* milliseconds) - began - aside) / groups.length
    const params = session.adapted.trainable
    for (const vector of numbers) {
      const symptom = firstNotFinite(vector, params)
      if (symptom !== undefined) return new NotFinite(vector[0]!, symptom)
    }
    return dispatched.map(({ step, learningRate, batches, conditionings }, i): StepReport => {
      const tokens = batches.reduce((sum, batch) => sum + batch.tokens, 0)
      return {
        kind: "step",
        step,
        loss: numbers[i]![0]!,
        learningRate,
        gradNorm: numbers[i]![1]!,
        rows: batches.reduce((sum, batch) => sum + batch.size, 0),
        tokens,
        tokensPerSecond: (tokens / each) * 1000,
        milliseconds: each,
        health: healthOf(numbers[i]!, conditionings, params)
      }
    })
  })

/** A step that was dispatched to the device, its numbers not yet read. */
interface DispatchedStep {
  readonly step: number
  readonly batches: ReadonlyArray<Rows>
  readonly learningRate: number | null
  readonly conditionings: ReadonlyArray<ConditionedSites>
  readonly numbers: ReadonlyArray<Tensor1D>
  /** milliseconds that are not the step's own */
  readonly aside: number
}

const dispatchStep = <M extends Network>(
  session: Session<M>,
  batches: ReadonlyArray<BatchOf<M>>,
  start: Snapshot,
  differentiate: Differentiate<M>
): Effect.Effect<DispatchedStep, AttemptError> =>
  Effect.gen(function* () {
    const { adapted, optimizer } = session
    const learningRate = optimizer.learningRate?.(session.optimizerState) ?? null
    const params = adapted.trainable
    const before = snapshotOf(session)
    const refreshed = yield* refreshedState(session, before.optimizerState)
    advance(session, { ...before, optimizerState: refreshed }, start)
    const conditionings = optimizer.health?.(refreshed, params) ?? []
    const { aside = 0, ...differentiated } = yield* differentiate({ session, refreshed, conditionings, batches })
    const { next, state, numbers } = yield* update(session, differentiated, conditionings)
    advance(
      session,
      {
        trainable: next,
        optimizerState: state,
        step: before.step + 1,
        position: positionAfter(before.position, batches)
      },
      start
    )
    // what the report needs of them; the eigenvalues are among the numbers
    const reported = conditionings.map(({ sites, damping }) => ({ sites, damping }))
    return { step: session.step, batches, learningRate, conditionings: reported, numbers, aside }
  })

/** Fails where what a transform made of its state is none, and disposes what is new in it. */
const mustBeState = (made: State, before: State): Effect.Effect<void, OptimizerStateError> =>
  Effect.suspend(() => {
    const fault = made === before ? undefined : stateFault(made)
    if (fault === undefined) return Effect.void
    const held = new Set(tensorsWithin(before))
    for (const tensor of tensorsWithin(made)) if (!held.has(tensor)) tensor.dispose()
    return Effect.fail(new OptimizerStateError({ fault }))
  })

/** The numbers of some steps, a vector each, in one read; disposes theirs. */
const readNumbers = (
  dispatched: ReadonlyArray<DispatchedStep>
): Effect.Effect<ReadonlyArray<ArrayLike<number>>, DeviceReadError> => {
  const vectors = dispatched.flatMap(({ numbers }) => numbers)
  const lengths = dispatched.map(({ numbers }) => numbers.reduce((sum, { size }) => sum + size, 0))
  const all = tf.concat([...vectors])
  const [first, last] = [dispatched[0]!.step, dispatched.at(-1)!.step]
  const what = first === last ? `the loss of step ${first}` : `the losses of steps ${first} to ${last}`
  return readTensor(all, what).pipe(
    Effect.map((values) => {
      let end = 0
      return lengths.map((length) => {
        end += length
        return values.subarray(end - length, end)
      })
    }),
    Effect.ensuring(Effect.sync(() => disposeAll([all, ...vectors])))
  )
}

/** The next parameters and state, and the step's numbers; disposes the gradients. */
const update = (
  { adapted, optimizer, optimizerState }: Pick<Session<Network>, "adapted" | "optimizer" | "optimizerState">,
  { loss, gradients }: LossAndGradients,
  conditionings: ReadonlyArray<Conditioning>
) =>
  Effect.gen(function* () {
    const params = adapted.trainable
    const moved = tidy((): Moved => {
      const { updates, state } = optimizer.update(gradients, optimizerState, params)
      const fault = stateFault(state)
      // nothing that was made here outlives it
      return fault === undefined ? { updates: tensorsOf(updates), state } : { fault }
    })
    if (moved.fault !== undefined) return yield* new OptimizerStateError(moved)
    const { state } = moved
    const updated = withTensors(params, moved.updates)
    const updates = yield* optimizer.shared?.complete(updated) ?? Effect.succeed(updated)
    const outcome = tidy(() => {
      const next = withTensors(params, combined(1, tensorsOf(params), 1, tensorsOf(updates)))
      return { next: tensorsOf(next), numbers: stepNumbers(loss, gradients, updates, next, conditionings) }
    })
    // a state may hold an update itself
    const held = new Set(tensorsWithin(state))
    disposeAll(tensorsOf(updates).filter((tensor) => !held.has(tensor)))
    return { next: withTensors(params, outcome.next), numbers: outcome.numbers, state }
  }).pipe(Effect.ensuring(Effect.sync(() => disposeAll([loss, ...tensorsOf(gradients)]))))

/** What an optimizer made of a step: its updates, and the state after it; or why that is none. */
type Moved =
  | { readonly updates: ReadonlyArray<Tensor>; readonly state: State; readonly fault?: undefined }
  | { readonly fault: string }

/** Batches of a plan carry their place; others leave the position as it is. */
const positionAfter = (
  position: BatchPosition,
  batches: ReadonlyArray<Rows & Partial<Pick<TrainingBatch, "epoch" | "index">>>
): BatchPosition => {
  const last = batches.at(-1)
  if (last?.epoch === undefined || last.index === undefined) return position
  return { epoch: last.epoch, batch: last.index + 1 }
}
