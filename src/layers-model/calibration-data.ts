/**
 * Training data for an init: the gradient of the compiled loss for LoRA-GA, the layer inputs for EVA.
 *
 *   await adapt(model, { rank: 8, init: { kind: "lora-ga" } }, { examples: [x, y] })
 *
 * The model runs without an adapter, its head at initialization. Rows of x and y are taken in the order and
 * batches of `fit`'s first epoch with the same seed and batch size; of a dataset, the first batches. Loaded only if an init
 * needs data.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Calibrate, Calibration, InitError } from "../../adapters/index.ts"
import { count, type PlanProblem, problemsOf, strict } from "../../schemas/index.ts"
import type { LayersBatch, LayersNetwork } from "../models/layers-model/index.ts"
import type { DeviceReadError, LinearSite } from "../tensors/index.ts"
import { calibrating } from "../training/index.ts"
import { AdaptError, type LayersDataError } from "./errors.ts"
import { hostRows, isDataset, type LayersDataset, type NextBatch, openDataset, openRows } from "./fit/batches.ts"
import { type Compilation, type Compiled, compiledOf } from "./fit/compiled.ts"
import { slotsOf } from "./fit/host-arrays.ts"
import type { LayersData } from "./fit/options.ts"

/** Training data: x and y, or x alone if the init needs no targets ("eva"); or a dataset of `{ xs, ys }` batches. */
export type Examples = readonly [x: LayersData, y?: LayersData] | LayersDataset

/** Options of `adapt` and `add` for inits that calibrate on training data. */
export interface CalibrationData {
  /** examples for the init; default: none, which fails for an init that needs them */
  readonly examples?: Examples | undefined
  /** batch size for x and y, at least 1; default 32 */
  readonly batchSize?: number | undefined
  /** loss to differentiate; default: the compiled one */
  readonly loss?: Compilation["loss"] | undefined
}

/** As in `fit`. */
const BATCH_SIZE = 32

const Options = Schema.Struct({
  examples: Schema.Unknown,
  loss: Schema.optional(Schema.Unknown),
  batchSize: Schema.optional(count(1, "Rows."))
})

interface Asked {
  readonly network: LayersNetwork
  /** layers that request calibration, in this order */
  readonly sites: ReadonlyArray<LinearSite>
  readonly calibration: Calibration
  readonly seed: number
}

type Failure = AdaptError | LayersDataError | InitError | DeviceReadError

/** Returns the calibration for an init, for as long as the scope. Batches are kept on the host. */
export const calibrateOnExamples = (
  { network, sites, calibration, seed }: Asked,
  data: CalibrationData & { readonly examples: Examples }
): Effect.Effect<Calibrate, Failure, Scope.Scope> =>
  Effect.gen(function* () {
    const compiled = yield* settled(network, calibration, data)
    // only inputs are needed: targets may be missing
    const slots = compiled === undefined ? { ...slotsOf(network), ys: [] } : slotsOf(network, compiled)
    const { examples, batchSize = BATCH_SIZE } = data
    const next = isDataset(examples)
      ? yield* openDataset(examples, slots, "the dataset of examples")
      : openRows(yield* hostRows(examples[0], examples[1], slots, "examples"), batchSize, { seed, epoch: 0 })
    const batches = yield* firstOf(next, calibration.batches)
    if (batches.length < calibration.batches) {
      return yield* failed(network, [tooFew(calibration, batches.length, isDataset(examples))])
    }
    return yield* calibrating<LayersNetwork>(network, { batches, loss: compiled?.loss ?? noLoss, sites })
  })

/** A calibration on inputs alone needs no loss. */
const noLoss = (): never => {
  throw new Error("only initializations that use gradients need a loss")
}

/** The loss that is differentiated; undefined where only inputs are needed. */
const settled = (
  { base }: LayersNetwork,
  { what }: Calibration,
  data: CalibrationData
): Effect.Effect<Compiled | undefined, AdaptError> =>
  Effect.suspend(() => {
    const decoded = Schema.decodeUnknownResult(Options, strict)(data)
    const problems = Result.isFailure(decoded) ? [...problemsOf(decoded.failure.issue, Options.ast)] : []
    const compiled = what === "gradient" ? compiledOf(base, { loss: data.loss }) : Result.succeed(undefined)
    if (Result.isFailure(compiled)) problems.push(...compiled.failure)
    const form = formProblem(data.examples)
    if (form !== undefined) problems.push({ path: "examples", message: form })
    if (problems.length > 0 || Result.isFailure(compiled)) return failed({ base }, problems)
    return Effect.succeed(compiled.success)
  })

const formProblem = (examples: unknown): string | undefined =>
  isDataset(examples) || (Array.isArray(examples) && (examples.length === 1 || examples.length === 2))
    ? undefined
    : "expected [x, y] or a dataset"

const firstOf = (next: NextBatch, most: number): Effect.Effect<ReadonlyArray<LayersBatch>, LayersDataError> =>
  Effect.gen(function* () {
    const batches: Array<LayersBatch> = []
    while (batches.length < most) {
      const batch = yield* next
      if (batch === undefined) break
      batches.push(batch)
    }
    return batches
  })

const tooFew = ({ batches }: Calibration, available: number, dataset: boolean): PlanProblem => ({
  path: "init.batches",
  message:
    `the init needs ${batches} batches, found ${available} in the examples; set it to ${Math.max(available, 1)}` +
    (dataset ? ", or pass a larger dataset" : ", pass more rows, or use a smaller batchSize")
})

const failed = (
  { base }: Pick<LayersNetwork, "base">,
  problems: ReadonlyArray<PlanProblem>
): Effect.Effect<never, AdaptError> => Effect.fail(new AdaptError({ model: base.name, problems }))
