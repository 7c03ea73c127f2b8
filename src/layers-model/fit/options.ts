/** Options of `fit`, `fitDataset` and `evaluate`: tfjs's names, validated with all problems at once. */
import type * as tfl from "@tensorflow/tfjs-layers"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { MethodFacts } from "../../../schemas/index.ts"
import {
  type AdaptationPlan,
  type AdaptationPlanInput,
  count,
  decodeAdaptationPlan,
  type PlanProblem,
  problemsOf,
  share,
  strict,
  withoutUndefined
} from "../../../schemas/index.ts"
import type { LayersNetwork } from "../../models/layers-model/index.ts"
import type { Loss } from "../../training/index.ts"
import { FitError } from "../errors.ts"
import type { LayersDataset } from "./batches.ts"
import type { Callbacks, YieldEvery } from "./callbacks.ts"
import type { ClassWeights } from "./class-weights.ts"
import { type Compilation, type Compiled, compiledOf } from "./compiled.ts"

/**
 * Data of x or of y: a tensor, an array or a typed array; several as a list or by the names of the model's inputs or
 * outputs.
 */
export type LayersData = unknown

interface SharedOptions extends Compilation {
  /** seed, optimizer and duration; default: LoRA-Pro's full form with a learning rate found on the first batch (`learningRate: "auto"`) */
  readonly plan?: AdaptationPlanInput | undefined
  /** end epoch (exclusive), at least 1; default: the plan's; without epochs or steps in the plan 1 in `fit` and an error in `fitDataset` */
  readonly epochs?: number | undefined
  /** first epoch, from 0 and below `epochs`; default 0 */
  readonly initialEpoch?: number | undefined
  /** accepted for compatibility and passed to callbacks (default 1); nothing is printed, as in a browser */
  readonly verbose?: 0 | 1 | 2 | undefined
  /** callbacks, called in tfjs's order; default: none */
  readonly callbacks?: Callbacks | undefined
  /** how often training yields to the event loop, between two steps; default "auto": every 125 ms */
  readonly yieldEvery?: YieldEvery | undefined
  /** factors for the loss of each class, by class index; for several outputs a list or by output name; default 1 */
  readonly classWeight?: ClassWeights | undefined
  /** [x, y] or a dataset, evaluated after every epoch; default: none */
  readonly validationData?: readonly [LayersData, LayersData] | LayersDataset | undefined
  /** rows per forward pass when validating on x and y, at least 1; default: the plan's `evaluateBatchSize`, else `batchSize` (`fitDataset`: 32) */
  readonly validationBatchSize?: number | undefined
  /** number of batches when validating on a dataset, at least 1; default: all */
  readonly validationBatches?: number | undefined
}

/** Options for `fitDataset`: those of tfjs, and a plan. */
export interface FitDatasetOptions extends SharedOptions {
  /** batches per epoch, at least 1; the next epoch continues in the dataset where the last ended; default: the whole dataset */
  readonly batchesPerEpoch?: number | undefined
}

/** Options for `fit`: those of tfjs, and a plan. */
export interface FitOptions extends SharedOptions {
  /** rows per batch, at least 1; overrides the plan's; default 32 */
  readonly batchSize?: number | undefined
  /** whether to shuffle rows, in an order determined by the plan's seed and the epoch; default true */
  readonly shuffle?: boolean | undefined
  /** fraction of the rows, taken from the end, to hold out for validation, in (0, 1); default: none; `validationData` takes precedence */
  readonly validationSplit?: number | undefined
}

export interface EvaluateOptions extends Compilation {
  /** rows of x and y per forward pass, at least 1; default 32 */
  readonly batchSize?: number | undefined
  /** number of batches of a dataset, at least 1; default: all */
  readonly batches?: number | undefined
}

const optional = Schema.optionalKey
/** What no schema can say: functions, tensors, and what has a decoder of its own. */
const anyValue = optional(Schema.Unknown)

const YieldEverySchema = Schema.Union([
  Schema.Literals(["auto", "batch", "epoch", "never"]),
  count(0, "Milliseconds.")
]).annotate({ expected: '"auto", "batch", "epoch", "never" or milliseconds' })

const shared = {
  plan: anyValue,
  loss: anyValue,
  metrics: anyValue,
  epochs: optional(count(1, "The epoch after the last.")),
  initialEpoch: optional(count(0, "The first epoch.")),
  verbose: optional(Schema.Literals([0, 1, 2])),
  callbacks: anyValue,
  yieldEvery: optional(YieldEverySchema),
  classWeight: anyValue,
  validationData: anyValue,
  validationBatchSize: optional(count(1, "Rows.")),
  validationBatches: optional(count(1, "Batches."))
}

const schemas = {
  fitDataset: Schema.Struct({ ...shared, batchesPerEpoch: optional(count(1, "Batches.")) }),
  fit: Schema.Struct({
    ...shared,
    batchSize: optional(count(1, "Rows.")),
    shuffle: optional(Schema.Boolean.annotate({ expected: "true or false" })),
    validationSplit: optional(share("Of the rows."))
  }),
  evaluate: Schema.Struct({
    loss: anyValue,
    metrics: anyValue,
    batchSize: optional(count(1, "Rows.")),
    batches: optional(count(1, "Batches."))
  })
}

/** What tfjs names and has not made either. */
const notMade: Readonly<Record<string, string>> = {
  sampleWeight: "weights of single rows are not supported, as in tfjs; use classWeight for classes",
  stepsPerEpoch: "not supported, as in tfjs; fitDataset has batchesPerEpoch",
  validationSteps: "not supported, as in tfjs; validationBatches counts batches of a dataset"
}

const structureProblems = (which: keyof typeof schemas, options: unknown): ReadonlyArray<PlanProblem> => {
  const schema: Schema.Top & { readonly DecodingServices: never } = schemas[which] as never
  const decoded = Schema.decodeUnknownResult(schema, strict)(withoutUndefined(options))
  if (Result.isSuccess(decoded)) return []
  return problemsOf(decoded.failure.issue, schema.ast).map(({ path, message }) => ({
    path: path === "" ? "options" : path,
    message: notMade[path] ?? message
  }))
}

/** Decoded options of a training run. */
export interface Settled {
  readonly plan: AdaptationPlan
  readonly compiled: Compiled
}

const problemsIn = (result: Result.Result<unknown, ReadonlyArray<PlanProblem>>, at = ""): ReadonlyArray<PlanProblem> =>
  Result.isFailure(result) ? result.failure.map(({ path, message }) => ({ path: `${at}${path}`, message })) : []

/** Decodes options, plan and compilation; fails with the problems of all three. */
export const settle = (
  which: "fit" | "fitDataset",
  base: tfl.LayersModel,
  method: MethodFacts,
  options: FitOptions | FitDatasetOptions
): Effect.Effect<Settled, FitError> =>
  Effect.suspend(() => {
    const plan = decodeAdaptationPlan(options.plan ?? {}, method)
    const compiled = compiledOf(base, options)
    const problems = [
      ...structureProblems(which, options),
      ...problemsIn(plan, "plan."),
      ...problemsIn(compiled),
      ...epochProblems(options)
    ]
    if (problems.length > 0 || Result.isFailure(plan) || Result.isFailure(compiled)) {
      return Effect.fail(new FitError({ problems }))
    }
    return Effect.succeed({ plan: plan.success, compiled: compiled.success })
  })

const epochProblems = ({ epochs, initialEpoch }: FitOptions): ReadonlyArray<PlanProblem> =>
  epochs !== undefined && initialEpoch !== undefined && initialEpoch >= epochs
    ? [
        {
          path: "initialEpoch",
          message: `found ${initialEpoch} with epochs ${epochs}; epochs is the epoch after the last; expected a larger value`
        }
      ]
    : []

/** Returns the compilation to evaluate with. */
export const settleEvaluation = (base: tfl.LayersModel, options: EvaluateOptions): Effect.Effect<Compiled, FitError> =>
  Effect.suspend(() => {
    const compiled = compiledOf(base, options)
    const problems = [...structureProblems("evaluate", options), ...problemsIn(compiled)]
    return problems.length > 0 || Result.isFailure(compiled)
      ? Effect.fail(new FitError({ problems }))
      : Effect.succeed(compiled.success)
  })

/**
 * Returns the compiled loss for a custom session, `Training.openSession(adapted, { optimizer, loss })`. Fails if the
 * model is not compiled and no loss is given.
 */
export const compiledLoss = (
  { base }: Pick<LayersNetwork, "base">,
  compilation: Compilation = {}
): Effect.Effect<Loss<LayersNetwork>, FitError> =>
  Effect.fromResult(compiledOf(base, compilation)).pipe(
    Effect.mapError((problems) => new FitError({ problems })),
    Effect.map(({ loss }) => loss)
  )
