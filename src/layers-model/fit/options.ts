/** The options of `fit`, `fitDataset` and `evaluate`: tfjs's names, and everything that is wrong with them at once. */
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
  strict
} from "../../../schemas/index.ts"
import type { LayersNetwork } from "../../models/layers-model/index.ts"
import type { Loss } from "../../training/index.ts"
import { FitError } from "../errors.ts"
import type { LayersDataset } from "./batches.ts"
import type { Callbacks, YieldEvery } from "./callbacks.ts"
import type { ClassWeights } from "./class-weights.ts"
import { type Compilation, type Compiled, compiledOf } from "./compiled.ts"

/**
 * Of x or of y: a tensor, an array or a typed array; several as a list or by the names of the model's inputs or
 * outputs.
 */
export type LayersData = unknown

interface SharedOptions extends Compilation {
  /** seed, optimizer, and how long; default: LoRA-Pro's full form at a rate that is found on the first batch (`learningRate: "auto"`) */
  readonly plan?: AdaptationPlanInput | undefined
  /** the epoch after the last, at least 1; default: the plan's, and where it has neither epochs nor steps 1 in `fit` and an error in `fitDataset` */
  readonly epochs?: number | undefined
  /** the first epoch, from 0 and below `epochs`; default 0 */
  readonly initialEpoch?: number | undefined
  /** taken for tfjs's sake, and handed to callbacks (default 1): nothing is printed, as in a browser */
  readonly verbose?: 0 | 1 | 2 | undefined
  /** called as tfjs calls them; default: none */
  readonly callbacks?: Callbacks | undefined
  /** default "auto": every 125 ms, between two steps */
  readonly yieldEvery?: YieldEvery | undefined
  /** a factor for the loss of each class in the data, by its number; of several outputs a list or by their names; default: 1 */
  readonly classWeight?: ClassWeights | undefined
  /** [x, y] or a dataset, evaluated after every epoch; default: none */
  readonly validationData?: readonly [LayersData, LayersData] | LayersDataset | undefined
  /** rows per forward pass of a validation on x and y, at least 1; default: the plan's `evaluateBatchSize`, else `batchSize`, in `fitDataset` 32 */
  readonly validationBatchSize?: number | undefined
  /** batches of a validation on a dataset, at least 1; default: all */
  readonly validationBatches?: number | undefined
}

/** Options of `fitDataset`: those of tfjs, and a plan. */
export interface FitDatasetOptions extends SharedOptions {
  /** of the dataset, which continues where the last epoch ended, at least 1; default: an epoch is the whole dataset */
  readonly batchesPerEpoch?: number | undefined
}

/** Options of `fit`: those of tfjs, and a plan. */
export interface FitOptions extends SharedOptions {
  /** rows of a batch, at least 1; takes precedence over the plan's; default 32 */
  readonly batchSize?: number | undefined
  /** default true: in an order of the plan's seed and the epoch */
  readonly shuffle?: boolean | undefined
  /** the share of the rows, the last of them, that is kept for validation, in (0, 1); default: none; `validationData` takes precedence */
  readonly validationSplit?: number | undefined
}

export interface EvaluateOptions extends Compilation {
  /** rows of x and y in a forward pass, at least 1; default 32 */
  readonly batchSize?: number | undefined
  /** batches of a dataset, at least 1; default: all */
  readonly batches?: number | undefined
}

const optional = Schema.optionalKey
/** What no schema can say: functions, tensors, and what has a decoder of its own. */
const given = optional(Schema.Unknown)

const YieldEverySchema = Schema.Union([
  Schema.Literals(["auto", "batch", "epoch", "never"]),
  count(0, "Milliseconds.")
]).annotate({ expected: '"auto", "batch", "epoch", "never" or milliseconds' })

const shared = {
  plan: given,
  loss: given,
  metrics: given,
  epochs: optional(count(1, "The epoch after the last.")),
  initialEpoch: optional(count(0, "The first epoch.")),
  verbose: optional(Schema.Literals([0, 1, 2])),
  callbacks: given,
  yieldEvery: optional(YieldEverySchema),
  classWeight: given,
  validationData: given,
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
    loss: given,
    metrics: given,
    batchSize: optional(count(1, "Rows.")),
    batches: optional(count(1, "Batches."))
  })
}

const withoutUndefined = (options: unknown): unknown =>
  typeof options === "object" && options !== null
    ? Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
    : options

/** What tfjs names and has not made either. */
const notMade: Readonly<Record<string, string>> = {
  sampleWeight: "weights of single rows are not supported (tfjs has none either); classWeight weights classes",
  stepsPerEpoch: "not supported (tfjs has it not either); fitDataset has batchesPerEpoch",
  validationSteps: "not supported (tfjs has it not either); validationBatches counts batches of a dataset"
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

/** What a training run is made of, decoded. */
export interface Settled {
  readonly plan: AdaptationPlan
  readonly compiled: Compiled
}

const problemsIn = (result: Result.Result<unknown, ReadonlyArray<PlanProblem>>, at = ""): ReadonlyArray<PlanProblem> =>
  Result.isFailure(result) ? result.failure.map(({ path, message }) => ({ path: `${at}${path}`, message })) : []

/** Options, plan and compilation, or every problem of all three. */
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
          message: `found ${initialEpoch} with epochs ${epochs}; epochs is the one after the last: expected it larger`
        }
      ]
    : []

/** The compilation to evaluate with. */
export const settleEvaluation = (base: tfl.LayersModel, options: EvaluateOptions): Effect.Effect<Compiled, FitError> =>
  Effect.suspend(() => {
    const compiled = compiledOf(base, options)
    const problems = [...structureProblems("evaluate", options), ...problemsIn(compiled)]
    return problems.length > 0 || Result.isFailure(compiled)
      ? Effect.fail(new FitError({ problems }))
      : Effect.succeed(compiled.success)
  })

/**
 * The compiled loss for a session of one's own, `Training.openSession(adapted, { optimizer, loss })`. Fails where the
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
