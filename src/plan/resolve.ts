/**
 * From a plan to a plan that can run: the world is asked (headers of the weights, the tokenizer, every row of the data), no weight
 * is read and no device opened. All problems come back together; what `validate` prints and what `train` accepts is the same value.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { type AdapterMethod, InjectionError, methods, type Selected, select } from "../../adapters/index.ts"
import type { RunPlan } from "../../schemas/index.ts"
import {
  type ClassificationData,
  type LengthPercentiles,
  lengthPercentiles,
  openClassification
} from "../data/index.ts"
import {
  type DescribedModel,
  describe,
  loadTokenizer,
  type ModelDescription,
  type ModelError,
  type Tokenizer
} from "../models/index.ts"
import { lookedAtProblems } from "../training/diagnostics/sites.ts"
import { estimateMemory, longestBatch, type MemoryEstimate, type TrainableCounts } from "./memory.ts"
import { impossibleTensors, machineMemory, memoryWarnings } from "./memory-limits.ts"

export class ResolveError extends Schema.TaggedError<ResolveError>()("ResolveError", {
  name: Schema.String,
  /** one message per problem; a message may have several lines */
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return this.problems.join("\n")
  }
}

export interface ResolvedPlan {
  /** with the labels filled in */
  readonly plan: RunPlan
  readonly name: string
  readonly model: DescribedModel
  readonly tokenizer: Tokenizer
  /** the options of each site are the method's own (rank, alpha … for lora) */
  readonly selected: Selected<SiteOptions>
  readonly data: ClassificationData
  /** token lengths of a sample of the training rows; `truncated` at what the model and the plan allow */
  readonly lengths: LengthPercentiles
  /** optimisation steps: given, or computed from the epochs */
  readonly steps: number
  readonly trainable: TrainableCounts
  readonly memory: MemoryEstimate
  readonly warnings: ReadonlyArray<string>
}

export type SiteOptions = Readonly<Record<string, unknown>>

export const resolve = (
  plan: RunPlan,
  name: string
): Effect.Effect<ResolvedPlan, ResolveError, FileSystem.FileSystem | Path.Path | Scope.Scope> =>
  Effect.gen(function* () {
    const data = yield* Effect.result(openClassification(plan.data, plan.seed))
    const labels = Result.isSuccess(data) ? data.success.labels : (plan.data.labels ?? standIns(plan.model))
    const model = yield* Effect.result(describe(plan.model.source, { ...plan.model.task, labels }))
    const selected = Result.flatMap(model, (described) => selectSites(plan, described))
    const tokenizer: Result.Result<Tokenizer, ModelError> = Result.isFailure(model)
      ? Result.fail(model.failure)
      : yield* Effect.result(loadTokenizer(model.success.folder, model.success))
    if (
      Result.isFailure(model) ||
      Result.isFailure(selected) ||
      Result.isFailure(tokenizer) ||
      Result.isFailure(data)
    ) {
      // a model that cannot be described fails three times with the same words
      const failures = [selected, tokenizer, data].flatMap(
        (part: Result.Result<unknown, { readonly message: string }>) =>
          Result.isFailure(part) ? [part.failure.message] : []
      )
      return yield* new ResolveError({ name, problems: [...new Set(failures)] })
    }
    const { train } = data.success.splits
    const maxLength = longestBatch(plan, model.success)
    const lengths = yield* lengthPercentiles(train, tokenizer.success.encode, maxLength).pipe(
      Effect.mapError(({ message }) => new ResolveError({ name, problems: [message] }))
    )
    const impossible = impossibleTensors(plan, model.success, train.rows, Math.min(lengths.max, maxLength))
    if (impossible.length > 0) return yield* new ResolveError({ name, problems: impossible })
    const trainable = count(methodOf(plan), model.success, selected.success)
    const memory = estimateMemory(plan, model.success, trainable, train.rows)
    return {
      plan: { ...plan, data: { ...plan.data, labels: [...data.success.labels] } },
      name,
      model: model.success,
      tokenizer: tokenizer.success,
      selected: selected.success,
      data: data.success,
      lengths,
      steps: stepsOf(plan, train.rows),
      trainable,
      memory,
      warnings: [
        ...data.success.warnings,
        ...tooLong(plan, model.success),
        ...truncated(train.where, maxLength, lengths),
        ...memoryWarnings(memory, machineMemory(), plan)
      ]
    }
  })

/** For the classes of data that could not be read, so that the model is judged all the same and its missing labels are no problem of its own. */
const standIns = ({ task }: RunPlan["model"]): ReadonlyArray<string> | undefined =>
  task.headInit === "checkpoint" ? undefined : ["0", "1"]

export const selectSites = (plan: RunPlan, model: ModelDescription) => {
  const { adapter } = plan
  const { targets, exclude } = adapter.method === "none" ? { targets: [], exclude: [] } : adapter
  const overrides = "overrides" in adapter ? adapter.overrides : []
  const selected = select(model, methodOf(plan), siteOptions(plan), {
    targets,
    exclude,
    overrides: overrides as ReadonlyArray<(typeof overrides)[number] & SiteOptions>,
    modulesToSave: adapter.modulesToSave
  })
  return Result.flatMap(selected, (found) => lookingAt(plan, model, found))
}

/** The selection, where every pattern of sites to look at means one of its sites. */
const lookingAt = (
  { training: { diagnostics } }: RunPlan,
  { prefix }: ModelDescription,
  selected: Selected<SiteOptions>
): Result.Result<Selected<SiteOptions>, InjectionError> => {
  const adapted = selected.sites.map(({ site }) => site)
  const problems = lookedAtProblems(adapted, prefix, diagnostics?.sites ?? "all", "training.diagnostics.sites")
  return problems.length === 0 ? Result.succeed(selected) : Result.fail(new InjectionError({ problems }))
}

/** null: the head alone. */
export const methodOf = ({ adapter }: RunPlan) => methods[adapter.method] as AdapterMethod<SiteOptions> | null

/** The method's options as the plan gives them, before overrides. */
const siteOptions = ({ adapter }: RunPlan): SiteOptions => {
  const { method: _, modulesToSave: __, ...rest } = adapter
  const { targets: ___, exclude: ____, overrides: _____, dropout: ______, ...own } = rest as Record<string, unknown>
  return own
}

const stepsOf = ({ training }: RunPlan, rows: number): number => {
  if (training.steps !== undefined) return training.steps
  const perEpoch = Math.ceil(rows / training.batchSize) / training.accumulate
  return Math.max(1, Math.round(training.epochs! * perEpoch))
}

const product = (shape: ReadonlyArray<number>): number => shape.reduce((size, dimension) => size * dimension, 1)

const count = (
  method: AdapterMethod<SiteOptions> | null,
  model: ModelDescription,
  { sites, parameters }: Selected<SiteOptions>
): TrainableCounts => {
  const sizes = new Map(model.parameters.map(({ name, shape }) => [name, product(shape)]))
  const sized = sites.map(({ site, options }) => method!.size(site, options))
  const factors = sized.reduce((sum, size) => sum + size.factors, 0)
  const own = sized.reduce((sum, size) => sum + size.dense, 0)
  const saved = parameters.reduce((sum, name) => sum + sizes.get(name)!, 0)
  const head = model.head.parameters.reduce((sum, { shape }) => sum + product(shape), 0)
  const dense = own + saved + head
  const frozen = [...sizes.values()].reduce((sum, size) => sum + size, 0)
  return { factors, dense, total: factors + dense, frozen }
}

const tooLong = (plan: RunPlan, model: ModelDescription): ReadonlyArray<string> =>
  plan.data.maxLength > model.maxLength
    ? [
        `data.maxLength ${plan.data.maxLength} is more than the model's ${model.maxLength} positions; texts are cut at ${model.maxLength}`
      ]
    : []

// Fewer are outliers, and cutting them is what maxLength is for.
const LARGEST_SHARE_CUT = 0.05

const truncated = (
  where: string,
  maxLength: number,
  { sample, p95, truncated: share }: LengthPercentiles
): ReadonlyArray<string> => {
  if (share <= LARGEST_SHARE_CUT) return []
  const cut = `${(100 * share).toFixed(1)} % of the texts lose their end at ${maxLength} tokens`
  const looked = `looked at ${sample.toLocaleString("en")}; 95 % have at most ${p95} tokens`
  return [`train (${where}): ${cut} (${looked}); data.maxLength says where they are cut`]
}
