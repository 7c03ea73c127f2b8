/**
 * A plan for a causal language model before its weights are read: their headers, the tokenizer and its template, every row of the data,
 * the memory it takes.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { SelectedSite } from "../../../adapters/index.ts"
import type { CausalPlan } from "../../../schemas/index.ts"
import { causalBatchesPerEpoch, meanTokens, type OpenedCausal, openCausal } from "../../data/causal/index.ts"
import {
  type CausalDescription,
  type CheckpointSource,
  causalTokenizer,
  describeCausal,
  openSource,
  tablesOf
} from "../../models/causal/index.ts"
import {
  bytesOfWeights,
  countTrainable,
  FLOAT,
  frozenBlocksOf,
  type MemoryEstimate,
  machineMemory,
  memoryEstimate,
  memoryWarnings,
  plannedPrefix,
  type ResolvedPlan,
  ResolveError,
  selectSites,
  stepsOf,
  type TrainableCounts,
  withPrefix
} from "../../plan/index.ts"
import type { CausalTokenizer } from "../../tensors/index.ts"

/** A causal model, and the file or folder that its weights are read from. */
export interface DescribedCausal extends CausalDescription {
  readonly origin: CheckpointSource
}

export interface ResolvedCausalPlan extends ResolvedPlan<CausalPlan, DescribedCausal, OpenedCausal> {
  readonly tokenizer: CausalTokenizer
}

export const describeCausalPlan = ({ model }: CausalPlan) =>
  Effect.gen(function* () {
    const origin = yield* openSource(model.source)
    const described: DescribedCausal = { ...(yield* describeCausal(origin)), origin }
    return described
  })

export const resolveCausal = (
  plan: CausalPlan,
  name: string
): Effect.Effect<ResolvedCausalPlan, ResolveError, FileSystem.FileSystem | Path.Path | Scope.Scope> =>
  Effect.gen(function* () {
    const fail = (problems: ReadonlyArray<string>) => new ResolveError({ name, problems })
    const reported = Effect.mapError(({ message }: { readonly message: string }) => fail([message]))
    const origin = yield* reported(openSource(plan.model.source))
    const description = yield* reported(describeCausal(origin))
    const tokenizer = yield* reported(causalTokenizer(origin, description))
    const data = yield* Effect.result(openCausal(plan.data, plan.seed, tokenizer))
    const selected = selectSites(plan, description)
    if (Result.isFailure(data) || Result.isFailure(selected)) {
      const failures: ReadonlyArray<Result.Result<unknown, { readonly message: string }>> = [data, selected]
      return yield* fail(failures.flatMap((part) => (Result.isFailure(part) ? [part.failure.message] : [])))
    }
    const { train } = data.success.splits
    const maxLength = Math.min(plan.data.maxLength, description.maxLength)
    const perEpoch = yield* plan.training.epochs === undefined
      ? Effect.succeed(0)
      : reported(
          causalBatchesPerEpoch(train, {
            seed: plan.seed,
            batchSize: plan.training.batchSize,
            bucketPool: plan.data.bucketPool,
            packing: plan.data.packing,
            maxLength
          })
        )
    const trainable = countTrainable(plan, description, selected.success)
    const machine = machineMemory()
    const known = {
      plan,
      name,
      base: origin.where,
      model: { ...description, origin },
      tokenizer,
      selected: selected.success,
      data: data.success,
      steps: stepsOf(plan, perEpoch),
      trainable,
      memory: estimateMemory(plan, description, trainable, selected.success.sites)
    }
    const frozen = frozenBlocksOf(description, selected.success) > 0
    const tokens = frozen ? yield* reported(meanTokens(train, maxLength)) : 0
    // packed rows are others in every epoch
    const prefix = plannedPrefix(known, { tokens, sameRows: !plan.data.packing, machine })
    const memory = withPrefix(known.memory, prefix)
    return {
      ...known,
      prefix,
      memory,
      warnings: [
        ...data.success.warnings,
        ...tooLong(plan, description.maxLength),
        ...memoryWarnings(memory, machine, plan)
      ]
    }
  })

const tooLong = ({ data }: CausalPlan, positions: number): ReadonlyArray<string> =>
  data.maxLength > positions
    ? [`data.maxLength ${data.maxLength} is more than the model's ${positions} positions; rows are cut at ${positions}`]
    : []

/** Numbers of the logits that exist at a time (`kernels/linear-cross-entropy.ts`). */
const LOGITS = 2 ** 23

/**
 * Of a decoder, a batch whose rows are all `data.maxLength` long: for each layer its input, two norms, q, k and v (turned as well),
 * attention's output and its rows' statistics, and the gate's and up projections with what SwiGLU saves; after the layers, of the
 * output layer, logits of a chunk of rows alone.
 */
export const estimateMemory = (
  plan: CausalPlan,
  model: CausalDescription,
  trainable: Omit<TrainableCounts, "total">,
  sites: ReadonlyArray<SelectedSite<object>>
): MemoryEstimate => {
  const { hiddenSize, intermediateSize, attentionHeads, keyValueHeads, headDim, layers } = model
  const length = Math.min(plan.data.maxLength, model.maxLength)
  const heads = (2 * attentionHeads + 3 * keyValueHeads) * headDim
  const saved = 5 * hiddenSize + heads + 4 * intermediateSize
  const { batchSize, evaluateBatchSize, recompute } = plan.training
  const kept = recompute === "none" ? layers * saved : layers * hiddenSize + saved
  const rows = Math.max(batchSize * (kept + saved), evaluateBatchSize * 2 * saved)
  const tables = tablesOf(model.decoder).map(() => ({ out: model.vocabularySize, in: hiddenSize }))
  const logits = Math.min(LOGITS, Math.max(batchSize, evaluateBatchSize) * length * model.vocabularySize)
  return memoryEstimate(
    plan,
    trainable,
    { all: model.sites, adapted: sites },
    {
      weights: bytesOfWeights(plan.model.weights, model.sites, trainable.frozen, tables),
      activations: FLOAT * (length * rows + 2 * logits)
    }
  )
}
