/**
 * Shared by kinds over Hugging Face encoders before weights are read: headers of the weights, the tokenizer, lengths of the texts, memory.
 * Each kind defines its rows and its head.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import * as Result from "effect/Result"
import { methodOf, type SelectedSite } from "../../../adapters/index.ts"
import type { ClassificationPlan, RunPlan } from "../../../schemas/index.ts"
import { byteSize, percent, wholeNumber } from "../../boundary/index.ts"
import {
  batchesPerEpoch,
  type DataError,
  type LengthPercentiles,
  type Located,
  lengthPercentiles,
  type RowSource,
  type TextFields
} from "../../data/index.ts"
import { savedWeights } from "../../kernels/index.ts"
import {
  type DescribedModel,
  loadTokenizer,
  type ModelDescription,
  type ModelError,
  type Tokenizer
} from "../../models/index.ts"
import {
  bytesOfWeights,
  FLOAT,
  FOUR_GIB,
  type MemoryEstimate,
  memoryEstimate,
  type OpenedData,
  type ResolvedPlan,
  ResolveError,
  selectSites,
  type TrainableCounts
} from "../../plan/index.ts"
import { withCosts } from "../contract/resolved.ts"
import { languageWarnings } from "./language.ts"

/** A plan whose texts are truncated to `data.maxLength`. */
export type EncoderPlan = RunPlan & {
  readonly model: Pick<ClassificationPlan["model"], "weights">
  readonly data: { readonly maxLength: number }
}

export interface ResolvedEncoderPlan<Plan extends EncoderPlan, Data extends OpenedData>
  extends ResolvedPlan<Plan, DescribedModel, Data> {
  readonly tokenizer: Tokenizer
  /** token lengths of a sample of the training texts; `truncated`: number of texts longer than the model and the plan allow */
  readonly lengths: LengthPercentiles
}

/** Returns the maximum number of tokens of a text: the smaller of the plan's and the model's limits. */
export const longestText = (
  { data }: { readonly data: Pick<EncoderPlan["data"], "maxLength"> },
  { maxLength }: Pick<ModelDescription, "maxLength">
): number => Math.min(data.maxLength, maxLength)

interface Encoded<Plan extends EncoderPlan, Data extends OpenedData> {
  readonly data: Result.Result<Data, DataError>
  readonly model: Result.Result<DescribedModel, ModelError>
  /** sequences per training row; default 1 */
  readonly texts?: number
  /** whether texts that are too long are read in windows, rather than cut */
  readonly windows?: boolean
  /** the training texts, whose lengths are measured */
  readonly textsOf: (data: Data) => RowSource<TextFields & Located>
  /** returns the plan with the fields that data and model determine */
  readonly filled: (data: Data, model: DescribedModel) => Plan
}

/** Resolves a plan over an encoder. Fails with all problems at once. */
export const resolveEncoder = <Plan extends EncoderPlan, Data extends OpenedData>(
  plan: Plan,
  name: string,
  { data, model, texts = 1, windows = false, textsOf, filled }: Encoded<Plan, Data>
): Effect.Effect<ResolvedEncoderPlan<Plan, Data>, ResolveError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
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
      // a model that cannot be described would fail three times with the same message
      const failures = [selected, tokenizer, data].flatMap(
        (part: Result.Result<unknown, { readonly message: string }>) =>
          Result.isFailure(part) ? [part.failure.message] : []
      )
      return yield* new ResolveError({ name, problems: [...new Set(failures)] })
    }
    const { train } = data.success.splits
    const maxLength = longestText(plan, model.success)
    const reported = Effect.mapError(({ message }: DataError) => new ResolveError({ name, problems: [message] }))
    const trained = textsOf(data.success)
    const lengths = yield* reported(lengthPercentiles(trained, tokenizer.success.encode, maxLength))
    const inOthers = yield* reported(languageWarnings(trained, tokenizer.success, model.success.folder))
    const impossible = impossibleTensors(plan, model.success, {
      rows: train.rows,
      texts,
      longest: Math.min(lengths.max, maxLength)
    })
    if (impossible.length > 0) return yield* new ResolveError({ name, problems: impossible })
    const described = {
      base: model.success.folder,
      plan: filled(data.success, model.success),
      name,
      model: model.success,
      tokenizer: tokenizer.success,
      selected: selected.success,
      data: data.success,
      lengths
    }
    return withCosts(described, {
      batches: batchesPerEpoch(train.rows, plan.training.batchSize),
      memory: (trainable) =>
        estimateMemory(plan, described.model, trainable, described.selected.sites, train.rows, texts),
      rows: { tokens: texts * lengths.mean, sameRows: true },
      warnings: [
        ...data.success.warnings,
        ...inOthers,
        ...tooLong(plan, model.success, windows),
        ...(windows ? [] : truncated(train.where, maxLength, lengths))
      ]
    })
  })

const tooLong = (plan: EncoderPlan, model: ModelDescription, windows: boolean): ReadonlyArray<string> =>
  plan.data.maxLength > model.maxLength
    ? [
        `data.maxLength ${plan.data.maxLength} is more than the model's ${model.maxLength} positions; texts are ${windows ? "read in windows of" : "cut at"} ${model.maxLength}`
      ]
    : []

// Fewer are outliers, which maxLength is meant to truncate.
const LARGEST_SHARE_CUT = 0.05

const truncated = (
  where: string,
  maxLength: number,
  { sample, p95, truncated: share }: LengthPercentiles
): ReadonlyArray<string> => {
  if (share <= LARGEST_SHARE_CUT) return []
  const cut = `${percent(share)} of the texts are truncated at ${maxLength} tokens`
  const sampled = `looked at ${wholeNumber(sample)}; 95 % have at most ${p95} tokens`
  return [`train (${where}): ${cut} (${sampled}); data.maxLength sets the limit`]
}

/** Returns problems with tensors that certainly occur and fit on no device. `longest`: tokens of the longest training text, truncated. */
export const impossibleTensors = (
  plan: EncoderPlan,
  model: ModelDescription,
  { rows, texts = 1, longest }: { readonly rows: number; readonly texts?: number; readonly longest: number }
): ReadonlyArray<string> => {
  const size = texts * Math.min(plan.training.batchSize, rows)
  return impossibleBatch(model, { size, length: longest }, `${size} texts, padded to one of ${longest} tokens,`, [
    "data.maxLength"
  ])
}

/**
 * Checks the memory of a number of sequences of one length. `called`: name of the sequences; `others`: other fields of the plan that lower
 * it.
 */
export const impossibleBatch = (
  { intermediateSize, hiddenSize, attentionHeads }: Widths,
  { size, length }: { readonly size: number; readonly length: number },
  contents: string,
  remedies: ReadonlyArray<string> = []
): ReadonlyArray<string> => {
  const bytes = FLOAT * size * length * Math.max(intermediateSize, hiddenSize, attentionHeads * length)
  if (bytes <= FOUR_GIB) return []
  const lower = ["lower training.batchSize (raise training.accumulate to keep the rows per step)", ...remedies].join(
    " or "
  )
  return [
    `memory: a batch of ${contents} needs single tensors of ${byteSize(bytes)}, and devices support tensors of at most 4 GiB; ${lower}`
  ]
}

type Widths = Pick<ModelDescription, "intermediateSize" | "hiddenSize" | "attentionHeads">

/** Estimates memory in bytes. `rows`: number of training rows, if known; limits the batch size. `texts`: sequences per training row. */
export const estimateMemory = (
  plan: EncoderPlan,
  model: ModelDescription,
  trainable: Omit<TrainableCounts, "total">,
  sites: ReadonlyArray<SelectedSite<object>>,
  rows = Infinity,
  texts = 1
): MemoryEstimate =>
  memoryEstimate(
    plan,
    trainable,
    { all: model.sites, adapted: sites },
    {
      weights: bytesOfWeights(plan.model.weights, model.sites, trainable.frozen),
      activations:
        FLOAT *
        largestActivations(plan, model, {
          size: texts * Math.min(plan.training.batchSize, rows),
          length: longestText(plan, model)
        })
    }
  )

/** Returns the largest number of activation values. `batch`: number and length of the sequences of a training batch. */
export const largestActivations = (
  plan: Pick<RunPlan, "adapter" | "training">,
  model: Pick<ModelDescription, "hiddenSize" | "intermediateSize" | "attentionHeads" | "layers">,
  { size: batchSize, length }: { readonly size: number; readonly length: number },
  norms: "after" | "before" = "after"
): number => {
  const { hiddenSize, intermediateSize, attentionHeads, layers } = model
  const scores = (attentionHeads * savedWeights(length, length)) / length
  // input, q, k, v, attention's output, two normalized sums, the second's input; GELU's derivative and output; attention's weights
  // and where the method keeps them, outputs of linear layers once more; of all layers, whichever are adapted
  const unscaled = methodOf(plan.adapter).keepsOutputs ? 5 * hiddenSize + intermediateSize : 0
  // norms before: also their two outputs and, of the two residual sums, the addends
  const wide = norms === "before" ? 12 : 8
  const saved = wide * hiddenSize + 2 * intermediateSize + scores + unscaled
  const gradients = 3 * hiddenSize + intermediateSize
  // and tensors that only the next layer reads
  const evaluated = 10 * hiddenSize + 3 * intermediateSize + scores + unscaled
  const { evaluateBatchSize, recompute } = plan.training
  const inputs = layers * hiddenSize
  const savedPerRow = recompute === "none" ? layers * saved : Math.min(layers * saved, inputs + saved)
  return length * Math.max(batchSize * (savedPerRow + gradients), evaluateBatchSize * evaluated)
}
