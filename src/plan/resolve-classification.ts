/** The world of a plan over texts: headers of the weights, the tokenizer, every row of the data. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { ClassificationPlan } from "../../schemas/index.ts"
import { batchesPerEpoch, type LengthPercentiles, lengthPercentiles, openClassification } from "../data/index.ts"
import { describe, loadTokenizer, type ModelDescription, type ModelError, type Tokenizer } from "../models/index.ts"
import { estimateMemory, longestBatch } from "./memory.ts"
import { impossibleTensors, machineMemory, memoryWarnings } from "./memory-limits.ts"
import { type ResolvedClassificationPlan, ResolveError } from "./resolved.ts"
import { countTrainable, methodOf, selectSites, stepsOf } from "./select-sites.ts"

export const resolveClassification = (
  plan: ClassificationPlan,
  name: string
): Effect.Effect<ResolvedClassificationPlan, ResolveError, FileSystem.FileSystem | Path.Path | Scope.Scope> =>
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
    const trainable = countTrainable(methodOf(plan), model.success, selected.success)
    const memory = estimateMemory(plan, model.success, trainable, train.rows)
    return {
      format: "classification",
      base: model.success.folder,
      plan: { ...plan, data: { ...plan.data, labels: [...data.success.labels] } },
      name,
      model: model.success,
      tokenizer: tokenizer.success,
      selected: selected.success,
      data: data.success,
      lengths,
      steps: stepsOf(plan, batchesPerEpoch(train.rows, plan.training.batchSize)),
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
const standIns = ({ task }: ClassificationPlan["model"]): ReadonlyArray<string> | undefined =>
  task.headInit === "checkpoint" ? undefined : ["0", "1"]

const tooLong = (plan: ClassificationPlan, model: ModelDescription): ReadonlyArray<string> =>
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
