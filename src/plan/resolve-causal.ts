/** The world of a plan for a causal language model: headers of the weights, the tokenizer and its template, every row of the data. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { CausalPlan } from "../../schemas/index.ts"
import { causalBatchesPerEpoch, openCausal } from "../data/causal/index.ts"
import { causalTokenizer, describeCausal, openSource } from "../models/causal/index.ts"
import { estimateCausalMemory } from "./memory.ts"
import { machineMemory, memoryWarnings } from "./memory-limits.ts"
import { type ResolvedCausalPlan, ResolveError } from "./resolved.ts"
import { countTrainable, methodOf, selectSites, stepsOf } from "./select-sites.ts"

export const resolveCausal = (
  plan: CausalPlan,
  name: string
): Effect.Effect<ResolvedCausalPlan, ResolveError, FileSystem.FileSystem | Path.Path | Scope.Scope> =>
  Effect.gen(function* () {
    const fail = (problems: ReadonlyArray<string>) => new ResolveError({ name, problems })
    const told = Effect.mapError(({ message }: { readonly message: string }) => fail([message]))
    const origin = yield* told(openSource(plan.model.source))
    const description = yield* told(describeCausal(origin))
    const tokenizer = yield* told(causalTokenizer(origin, description))
    const data = yield* Effect.result(openCausal(plan.data, plan.seed, tokenizer))
    const selected = selectSites(plan, description)
    if (Result.isFailure(data) || Result.isFailure(selected)) {
      const failures: ReadonlyArray<Result.Result<unknown, { readonly message: string }>> = [data, selected]
      return yield* fail(failures.flatMap((part) => (Result.isFailure(part) ? [part.failure.message] : [])))
    }
    const { train } = data.success.splits
    const perEpoch = yield* plan.training.epochs === undefined
      ? Effect.succeed(0)
      : told(
          causalBatchesPerEpoch(train, {
            seed: plan.seed,
            batchSize: plan.training.batchSize,
            bucketPool: plan.data.bucketPool,
            packing: plan.data.packing,
            maxLength: Math.min(plan.data.maxLength, description.maxLength)
          })
        )
    const trainable = countTrainable(methodOf(plan), description, selected.success)
    const memory = estimateCausalMemory(plan, description, trainable)
    return {
      format: plan.data.format,
      plan,
      name,
      base: origin.where,
      model: { ...description, origin },
      tokenizer,
      selected: selected.success,
      data: data.success,
      steps: stepsOf(plan, perEpoch),
      trainable,
      memory,
      warnings: [
        ...data.success.warnings,
        ...tooLong(plan, description.maxLength),
        ...memoryWarnings(memory, machineMemory(), plan)
      ]
    }
  })

const tooLong = ({ data }: CausalPlan, positions: number): ReadonlyArray<string> =>
  data.maxLength > positions
    ? [`data.maxLength ${data.maxLength} is more than the model's ${positions} positions; rows are cut at ${positions}`]
    : []
