/** The session of a fit: takes one step over one or more batches, and computes the compiled scores in the same forward passes. */
import type { Tensor, Tensor1D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Adapted } from "../../../adapters/index.ts"
import { factsOfOptimizer, isDecided, mustBeDecided } from "../../../schemas/index.ts"
import type { LayersBatch, LayersNetwork } from "../../models/layers-model/index.ts"
import { type OptimizerObstacle, type OptimizerStateError, transformOf } from "../../optimizers/index.ts"
import { type DeviceReadError, readTensor } from "../../tensors/index.ts"
import {
  type DiagnosticsReport,
  type FoundRate,
  findRate,
  openSettled,
  probedSites,
  type StepError,
  type StepReport,
  takeNextStep,
  withRate
} from "../../training/index.ts"
import { EpochMeans, type Logs } from "./callbacks.ts"
import type { Compiled } from "./compiled.ts"
import { named } from "./evaluate.ts"
import type { Settled } from "./options.ts"

/** A batch whose targets may be followed by row weights, one array for each weighted output. */
export type WeightedBatch = LayersBatch

export interface FitStep {
  readonly report: StepReport
  /** means over the step's rows, before the update */
  readonly scores: Logs
  readonly diagnostics?: DiagnosticsReport
}

export interface Stepper {
  /** learning rate that was found; null: the plan sets it */
  readonly rate: FoundRate | null
  readonly steps: () => number
  readonly take: (batches: ReadonlyArray<WeightedBatch>) => Effect.Effect<FitStep, StepError>
}

/** Errors of the search for a learning rate. */
export type RateError = Effect.Error<ReturnType<typeof findRate>>

/** Keeps the scores of the first forward pass of each batch: a probe of the full gradient may run it again. */
class Scores {
  private batchScores: Array<Tensor1D> = []
  private wanted = 0

  begin(batches: number): void {
    this.release()
    this.wanted = batches
  }

  see(scores: Tensor1D): void {
    if (this.batchScores.length < this.wanted) this.batchScores.push(tf.keep(scores))
  }

  release(): void {
    tf.dispose(this.batchScores)
    this.batchScores = []
    this.wanted = 0
  }

  read(): Effect.Effect<ReadonlyArray<Float32Array>, DeviceReadError> {
    return Effect.forEach(
      this.batchScores,
      (scores) => readTensor(scores, "the scores of a step") as Effect.Effect<Float32Array, DeviceReadError>
    )
  }
}

/**
 * Opens the session. `weighted`: for each output whether its rows have weights. `total`: steps of the run, for schedules. `first`: the batches
 * of the first step, on which a learning rate is found if the plan does not set one.
 */
export const openStepper = (
  adapted: Adapted<LayersNetwork>,
  { plan, compiled }: Settled,
  weighted: ReadonlyArray<boolean>,
  total: number,
  first: ReadonlyArray<WeightedBatch>
): Effect.Effect<Stepper, OptimizerStateError | OptimizerObstacle | RateError, Scope.Scope> =>
  Effect.gen(function* () {
    const scores = new Scores()
    yield* Effect.addFinalizer(() => Effect.sync(() => scores.release()))
    const { accumulate, diagnostics } = plan.training
    const loss = scoringLoss(compiled, weighted, scores)
    const rate = isDecided(plan.optimizer)
      ? null
      : yield* findRate({ adapted, loss, recompute: "none" }, plan.optimizer, first, total)
    const optimizer = rate === null ? mustBeDecided(plan.optimizer) : withRate(plan.optimizer, rate)
    const session = yield* openSettled(adapted, {
      optimizer: yield* adapted.optimizer(yield* transformOf(optimizer, total), total),
      loss,
      accumulate,
      recompute: "none"
    })
    const probe =
      diagnostics === undefined
        ? undefined
        : {
            sites: probedSites(adapted.sites, adapted.model.prefix, diagnostics.sites),
            theorem: factsOfOptimizer(plan.optimizer).followsTheorem,
            every: diagnostics.every
          }
    const take = (batches: ReadonlyArray<WeightedBatch>): Effect.Effect<FitStep, StepError> =>
      Effect.gen(function* () {
        scores.begin(batches.length)
        const { report, ...probed } = yield* takeNextStep(session, batches, probe)
        const means = new EpochMeans()
        const values = yield* scores.read()
        values.forEach((value, i) => means.add(named(compiled, value), batches[i]!.size))
        return { report, scores: means.means(), ...probed }
      }).pipe(Effect.ensuring(Effect.sync(() => scores.release())), Effect.uninterruptible)
    return { rate, steps: () => session.step, take }
  })

const scoringLoss =
  (compiled: Compiled, weighted: ReadonlyArray<boolean>, scores: Scores) =>
  (outputs: ReadonlyArray<Tensor>, targetsAndWeights: ReadonlyArray<Tensor>) => {
    const targets = targetsAndWeights.slice(0, outputs.length)
    const factors = targetsAndWeights.slice(outputs.length)
    let next = 0
    const weights = weighted.map((has) => (has ? factors[next++] : undefined))
    const scored = compiled.score(outputs, targets, weights)
    scores.see(scored.scores)
    return scored.loss
  }
