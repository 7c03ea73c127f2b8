/** The world of a plan over rows of numbers: the model's layers, every row of the data. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { ArraysPlan } from "../../schemas/index.ts"
import { batchesPerEpoch, openArrays } from "../data/index.ts"
import { describeLayersClassifier, labelled } from "../models/index.ts"
import { estimateLayersMemory } from "./memory.ts"
import { machineMemory, memoryWarnings } from "./memory-limits.ts"
import { type ResolvedArraysPlan, ResolveError } from "./resolved.ts"
import { countTrainable, methodOf, selectSites, stepsOf } from "./select-sites.ts"

export const resolveArrays = (
  plan: ArraysPlan,
  name: string
): Effect.Effect<ResolvedArraysPlan, ResolveError, FileSystem.FileSystem | Path.Path | Scope.Scope> =>
  Effect.gen(function* () {
    const fail = (...problems: ReadonlyArray<string>) => new ResolveError({ name, problems })
    const told = Effect.mapError(({ message }: { readonly message: string }) => fail(message))
    // how many numbers a row must have, the model says; how many classes the model must have, the rows
    const described = yield* told(describeLayersClassifier(plan.model.source, { head: plan.model.head }))
    const size = described.inputShape.reduce((product, n) => product * n, 1)
    const data = yield* told(openArrays(plan.data, plan.seed, size))
    const { labels } = data
    const model = yield* told(labelled(described, labels))
    const selected = selectSites(plan, model)
    if (Result.isFailure(selected)) return yield* fail(selected.failure.message)
    const trainable = countTrainable(methodOf(plan), model, selected.success)
    const memory = estimateLayersMemory(plan, model, trainable)
    return {
      format: "arrays",
      base: model.source,
      plan: { ...plan, data: { ...plan.data, labels: [...labels] } },
      name,
      model,
      selected: selected.success,
      data,
      steps: stepsOf(plan, batchesPerEpoch(data.splits.train.rows, plan.training.batchSize)),
      trainable,
      memory,
      warnings: [...data.warnings, ...memoryWarnings(memory, machineMemory(), plan, false)]
    }
  })
