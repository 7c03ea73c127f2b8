/**
 * The training loop of `fit`: its duration, and epochs of steps between tfjs's events, in tfjs's order.
 *
 *   train begin ─ epoch begin ─ (batch begin ─ step ─ batch end)* ─ validation ─ epoch end ─ … ─ train end
 */
import type * as tfl from "@tensorflow/tfjs-layers"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { Adapted, AdapterMethod } from "../../../adapters/index.ts"
import { type AdaptationPlan, isDecided, type PlanProblem } from "../../../schemas/index.ts"
import { messageOf } from "../../boundary/index.ts"
import type { LayersBatch, LayersNetwork } from "../../models/layers-model/index.ts"
import type { OptimizerObstacle } from "../../optimizers/index.ts"
import type { DeviceReadError } from "../../tensors/index.ts"
import type { StepRecord, Warning } from "../../training/course.ts"
import {
  type DiagnosticsReport,
  type FoundRate,
  probedProblems,
  type StepError,
  type StepReport
} from "../../training/index.ts"
import { FitError, LayersDataError } from "../errors.ts"
import { learned } from "../learned.ts"
import type { NextBatch } from "./batches.ts"
import { callbackList, callbackModel, EpochMeans, type Logs } from "./callbacks.ts"
import type { ClassWeight } from "./class-weights.ts"
import type { FitOptions, Settled } from "./options.ts"
import { peeked, type Source } from "./source.ts"
import { openStepper, type RateError, type Stepper } from "./steps.ts"

/** tfjs's history, with diagnostics of the full gradient if the plan has `training.diagnostics`. */
export interface FitHistory extends tfl.History {
  /** diagnostics, in the order of the steps; empty without `training.diagnostics` */
  readonly diagnostics: ReadonlyArray<DiagnosticsReport>
  /** warnings about a model that did not learn: the observation, and what to change */
  readonly warnings: ReadonlyArray<Warning>
  /** learning rate that was found, and how; null: the plan sets the rate */
  readonly rate: FoundRate | null
}

/** Errors of `fit` and `fitDataset`. */
export type FitFailure = FitError | LayersDataError | OptimizerObstacle | StepError | DeviceReadError | RateError

export type Validate = Effect.Effect<Logs, LayersDataError | DeviceReadError>

/** A run that is under way. */
interface Run {
  readonly source: Source
  readonly stepper: Stepper
  readonly extent: Extent
  readonly accumulate: number
  readonly list: tfl.CallbackList
  readonly stopped: () => boolean
  readonly weights: ReadonlyArray<ClassWeight | undefined>
  readonly validate: Validate | undefined
  readonly diagnostics: Array<DiagnosticsReport>
  readonly guard: Guard
}

export interface RunOptions {
  readonly adapted: Adapted<LayersNetwork>
  readonly source: Source
  readonly settled: Settled
  readonly options: FitOptions
  readonly validate: Validate | undefined
  /** default number of epochs if neither options nor plan set it */
  readonly epochs?: number
}

/** Runs the training loop on opened data. */
export const run = (options: RunOptions): Effect.Effect<FitHistory, FitFailure> => Effect.scoped(running(options))

const running = (runOptions: RunOptions): Effect.Effect<FitHistory, FitFailure, Scope.Scope> =>
  Effect.gen(function* () {
    const { adapted, source, settled, options, validate } = runOptions
    const { plan, compiled } = settled
    const { weights, extent } = yield* judged(runOptions)
    const weighted = weights.map((weight) => weight !== undefined)
    const layers = yield* Effect.promise(() => import("@tensorflow/tfjs-layers"))
    const history = new layers.History()
    const seen = yield* Effect.acquireRelease(
      Effect.sync(() => callbackModel(adapted, compiled, history)),
      ({ close }) => Effect.sync(close)
    )
    const list = yield* listOf(layers, options, history)
    const metrics = [...compiled.names, ...(validate === undefined ? [] : compiled.names.map((name) => `val_${name}`))]
    list.setParams({
      epochs: extent.to,
      initialEpoch: extent.from,
      ...source.params,
      verbose: options.verbose ?? 1,
      doValidation: validate !== undefined,
      metrics: plan.training.diagnostics === undefined ? metrics : [...metrics, "discrepancy"]
    } as unknown as Parameters<tfl.CallbackList["setParams"]>[0])
    list.setModel(seen.model)
    yield* event(() => list.onTrainBegin())
    const begun = isDecided(plan.optimizer)
      ? { seen: [], source }
      : yield* peeked(source, extent.from, plan.training.accumulate)
    const first = yield* Effect.forEach(begun.seen, (batch) => withWeights(batch, weights))
    const stepper = yield* openStepper(adapted, settled, weighted, extent.total, first)
    const guard = yield* openGuard(runOptions, extent)
    const under: Run = {
      source: begun.source,
      stepper,
      extent,
      accumulate: plan.training.accumulate,
      list,
      stopped: seen.stopped,
      weights,
      validate,
      diagnostics: [],
      guard
    }
    for (let epoch = extent.from; epoch < extent.to; epoch++) {
      const ended = yield* oneEpoch(under, epoch)
      if (ended || seen.stopped() || stepper.steps() >= extent.steps) break
    }
    guard.ended()
    yield* event(() => list.onTrainEnd())
    return Object.assign(history, {
      diagnostics: under.diagnostics,
      warnings: guard.warnings,
      rate: stepper.rate
    })
  })

/** Pages load it for the first run that has weights. */
const classWeights = Effect.promise(() => import("./class-weights.ts"))

/** What can only be said of options and data together. */
const judged = ({ adapted, source, settled: { plan }, options, epochs }: RunOptions) =>
  Effect.gen(function* () {
    const { model, sites, method } = adapted
    const where = "plan.training.diagnostics.sites"
    const extent = extentOf({ plan, method, epochs }, options, source)
    const perOutput =
      options.classWeight === undefined
        ? []
        : (yield* classWeights).weightPerOutput(options.classWeight, model.base.outputNames)
    const problems = [
      ...(Result.isFailure(extent) ? extent.failure : []),
      ...("path" in perOutput ? [perOutput] : []),
      ...probedProblems(sites, model.prefix, plan.training.diagnostics?.sites ?? "all", where)
    ]
    if (Result.isFailure(extent) || "path" in perOutput || problems.length > 0) return yield* new FitError({ problems })
    return { extent: extent.success, weights: perOutput }
  })

const listOf = (layers: typeof tfl, { callbacks, yieldEvery = "auto" }: FitOptions, history: tfl.History) =>
  Effect.try({
    try: () => callbackList(layers, callbacks, yieldEvery, history),
    catch: (cause) => new FitError({ problems: [{ path: "callbacks", message: messageOf(cause) }] })
  })

/** Whatever a callback throws is its own, and ends the run as it is. */
const event = (happens: () => Promise<void>): Effect.Effect<void> => Effect.promise(happens)

/** Whether the data is at its end and the run with it. */
const oneEpoch = (under: Run, epoch: number): Effect.Effect<boolean, FitFailure> =>
  Effect.gen(function* () {
    const { source, list, stopped, stepper, extent, validate } = under
    yield* event(() => list.onEpochBegin(epoch))
    const next = yield* source.open(epoch)
    const means = new EpochMeans()
    const limit = source.limit ?? Number.POSITIVE_INFINITY
    let stepsDone = 0
    let whole = false
    for (let batch = 0; ; batch++) {
      const group = yield* nextGroup(next, Math.min(under.accumulate, limit - stepsDone))
      stepsDone += group.length
      if (group.length > 0) yield* oneBatch(under, batch, group, means)
      const dry = group.length === 0
      if (dry && source.limit !== undefined) warnOfDryDataset(limit, stepsDone)
      whole = stepsDone >= limit || stepper.steps() >= extent.steps || (dry && source.limit === undefined)
      if (whole || dry || stopped()) break
    }
    const epochMeans = means.means()
    const validated = whole && validate !== undefined ? yield* validate : {}
    const logs: Logs = {}
    for (const [name, value] of Object.entries(validated)) logs[`val_${name}`] = value
    yield* event(() => list.onEpochEnd(epoch, Object.assign(logs, epochMeans)))
    return stepsDone < limit && source.limit !== undefined && !stopped()
  })

const nextGroup = (next: NextBatch, most: number): Effect.Effect<ReadonlyArray<LayersBatch>, LayersDataError> =>
  Effect.gen(function* () {
    const group: Array<LayersBatch> = []
    while (group.length < most) {
      const batch = yield* next
      if (batch === undefined) break
      group.push(batch)
    }
    return group
  })

const oneBatch = (
  { list, stepper, weights, diagnostics, guard }: Run,
  batch: number,
  group: ReadonlyArray<LayersBatch>,
  means: EpochMeans
): Effect.Effect<void, FitFailure> =>
  Effect.gen(function* () {
    const size = group.reduce((sum, one) => sum + one.size, 0)
    const logs: Logs = { batch, size }
    yield* event(() => list.onBatchBegin(batch, logs))
    const weighted = yield* Effect.forEach(group, (one) => withWeights(one, weights))
    const step = yield* stepper.take(weighted)
    guard.see(step.report)
    means.add(step.scores, size)
    Object.assign(logs, step.scores)
    const discrepancy = step.diagnostics?.mean.method.discrepancy ?? null
    if (step.diagnostics !== undefined) diagnostics.push(step.diagnostics)
    if (discrepancy !== null) {
      Object.assign(logs, { discrepancy })
      means.add({ discrepancy }, size)
    }
    yield* event(() => list.onBatchEnd(batch, logs))
  })

/** The batch with its rows' weights after its targets. */
const withWeights = (
  batch: LayersBatch,
  weights: ReadonlyArray<ClassWeight | undefined>
): Effect.Effect<LayersBatch, LayersDataError> =>
  Effect.gen(function* () {
    if (weights.length === 0) return batch
    const { rowWeights } = yield* classWeights
    const rows = weights.flatMap((weight, i) => (weight === undefined ? [] : [rowWeights(batch.targets[i]!, weight)]))
    const problems = rows.flatMap((one) => ("path" in one ? [one] : []))
    if (problems.length > 0) return yield* new LayersDataError({ where: "a batch", problems })
    const arrays = rows.flatMap((one) => ("path" in one ? [] : [one]))
    return { ...batch, targets: [...batch.targets, ...arrays] }
  })

/** As tfjs warns. */
const warnOfDryDataset = (limit: number, stepsTaken: number): void =>
  console.warn(
    `the dataset ended after ${stepsTaken} of ${limit} batches (batchesPerEpoch), and training with it; use dataset.repeat() for an endless one`
  )

interface Guard {
  readonly see: (report: StepReport) => void
  readonly ended: () => void
  readonly warnings: ReadonlyArray<Warning>
}

/** Warns once where the loss does not fall: after a third of the steps, where it is known how many there will be, or at the end. */
const openGuard = ({ adapted, options }: RunOptions, { total }: Extent): Effect.Effect<Guard> =>
  Effect.gen(function* () {
    const {
      firstLook,
      lossWarning,
      stepRecordOf: takenOf,
      warningText
    } = yield* Effect.promise(() => import("../../training/course.ts"))
    const fresh = !learned.has(adapted) && (options.initialEpoch ?? 0) === 0
    const head = adapted.trainable.dense.length === 0 ? "adapt's option head" : null
    const named = { rate: "plan.optimizer.learningRate", head }
    const third = firstLook(total)
    const records: Array<StepRecord> = []
    const warnings: Array<Warning> = []
    const look = (ended: boolean) => {
      const planned = ended ? Math.min(total, records.length) : total
      const warning = warnings.length > 0 ? null : lossWarning(records, { planned, ended, fresh, named })
      if (warning === null) return
      warnings.push(warning)
      console.warn(warningText(warning))
    }
    return {
      see: (report) => {
        learned.add(adapted)
        records.push(takenOf(report))
        if (records.length === third) look(false)
      },
      ended: () => look(true),
      warnings
    }
  })

interface Extent {
  readonly from: number
  /** the epoch after the last; infinite where steps end it */
  readonly to: number
  /** steps at most */
  readonly steps: number
  /** steps in all, where known: what schedules are laid out over */
  readonly total: number
}

/** `epochs`: unless options or plan say something. */
const extentOf = (
  {
    plan,
    method,
    epochs
  }: { readonly plan: AdaptationPlan; readonly method: AdapterMethod<unknown>; readonly epochs: number | undefined },
  options: FitOptions,
  { batches }: Pick<Source, "batches">
): Result.Result<Extent, ReadonlyArray<PlanProblem>> => {
  const { training, optimizer } = plan
  const from = options.initialEpoch ?? 0
  const to = options.epochs ?? training.epochs ?? (training.steps === undefined ? epochs : Number.POSITIVE_INFINITY)
  if (to === undefined) {
    const message =
      "missing; expected an integer of at least 1, here or as plan.training.epochs, or plan.training.steps"
    return Result.fail([{ path: "epochs", message }])
  }
  if (from >= to) {
    const message = `found ${from} with ${to} epochs; epochs is the epoch after the last; expected a larger value`
    return Result.fail([{ path: "initialEpoch", message }])
  }
  const steps = training.steps ?? Number.POSITIVE_INFINITY
  const counted =
    batches === undefined ? Number.POSITIVE_INFINITY : (to - from) * Math.ceil(batches / training.accumulate)
  const total = Math.min(steps, counted)
  const { kind, warmup = 0 } = optimizer.schedule
  if (!Number.isFinite(total) && (kind !== "constant" || warmup > 0 || method.allocation !== null)) {
    const why =
      method.allocation === null
        ? `the schedule "${kind}"${warmup > 0 ? " with warmup" : ""}`
        : `the method "${method.tag}"`
    const message = `missing; ${why} needs the number of steps, and this dataset does not know its number of batches: expected batchesPerEpoch, or plan.training.steps`
    return Result.fail([{ path: "batchesPerEpoch", message }])
  }
  return Result.succeed({ from, to, steps, total: Number.isFinite(total) ? total : Number.MAX_SAFE_INTEGER })
}
