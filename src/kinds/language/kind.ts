/**
 * Kinds over models that generate text, before weights are read: headers of the weights, the tokenizer and its template, every row of the
 * data, memory. `WritingModels` defines a family of models and its activations; causal models are defined here.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { SelectedSite } from "../../../adapters/index.ts"
import type { CausalPlan, PreferencePlan, RunPlan } from "../../../schemas/index.ts"
import { percent, wholeNumber } from "../../boundary/index.ts"
import { type CausalSplitDescription, plannedTokenizer, type RenderedSample } from "../../data/causal/index.ts"
import type { DataError } from "../../data/index.ts"
import {
  type CausalDescription,
  type CheckpointSource,
  causalTokenizer,
  describeCausal,
  openSource,
  tablesOf
} from "../../models/causal/index.ts"
import type { ModelError, Stack } from "../../models/index.ts"
import {
  type Adaptable,
  bytesOfWeights,
  evaluatedRows,
  FLOAT,
  frozenBlocksOf,
  type MemoryEstimate,
  memoryEstimate,
  type OpenedData,
  type ResolvedPlan,
  ResolveError,
  selectSites,
  type TrainableCounts
} from "../../plan/index.ts"
import type { CausalTokenizer } from "../../tensors/index.ts"
import type { RunKind, World } from "../contract/index.ts"
import { withCosts } from "../contract/resolved.ts"

/** A causal model, and the file or folder of its weights. */
interface DescribedCausal extends CausalDescription {
  readonly origin: CheckpointSource
}

/** A plan for a causal language model, with any rows. */
export type LanguagePlan = CausalPlan | PreferencePlan

/** A plan whose rows are truncated to `data.maxLength`. */
type WritingPlan = RunPlan & {
  readonly model: Pick<CausalPlan["model"], "weights">
  readonly data: { readonly maxLength: number }
}

export interface ResolvedWritingPlan<Plan extends WritingPlan, Model extends Adaptable, Data extends OpenedData>
  extends ResolvedPlan<Plan, Model, Data> {
  readonly tokenizer: CausalTokenizer
}

export interface ResolvedLanguagePlan<Plan extends LanguagePlan, Data extends OpenedData>
  extends ResolvedWritingPlan<Plan, DescribedCausal, Data> {}

const describeLanguagePlan = ({ model }: LanguagePlan) =>
  Effect.gen(function* () {
    const origin = yield* openSource(model.source)
    const described: DescribedCausal = { ...(yield* describeCausal(origin)), origin }
    return described
  })

/** Operations on a family of models before their weights are read. */
export interface WritingModels<Plan extends WritingPlan, Model extends Adaptable> {
  readonly open: (plan: Plan) => Effect.Effect<
    {
      readonly model: Model
      readonly tokenizer: CausalTokenizer
      /** folder or file of the model */
      readonly base: string
      /** maximum number of tokens per row; Infinity without a limit */
      readonly positions: number
    },
    ModelError | DataError,
    World
  >
  /** estimates memory in bytes; `sequences`: sequences per row of a batch */
  readonly memory: (
    plan: Plan,
    model: Model,
    trainable: Omit<TrainableCounts, "total">,
    sites: ReadonlyArray<SelectedSite<object>>,
    sequences: number
  ) => MemoryEstimate
}

/** The parts of plans that differ between kinds of rows. `maxLength`: the smaller of the plan's and the model's limits. */
export interface WritingRows<Plan extends WritingPlan, Model extends Adaptable, Data extends OpenedData> {
  readonly open: (plan: Plan, tokenizer: CausalTokenizer, model: Model) => Effect.Effect<Data, DataError, World>
  /** returns the plan with the fields that its data determines */
  readonly filled: (plan: Plan, data: Data, tokenizer: CausalTokenizer) => Plan
  readonly batchesPerEpoch: (plan: Plan, data: Data, maxLength: number) => Effect.Effect<number, DataError>
  /** mean number of tokens per row */
  readonly tokens: (data: Data, maxLength: number) => Effect.Effect<number, DataError>
  /** sequences per row of a batch */
  readonly sequences: number
  /** whether batches contain the same rows in every epoch */
  readonly sameRows: (plan: Plan) => boolean
}

export type LanguageRows<Plan extends LanguagePlan, Data extends OpenedData> = WritingRows<Plan, DescribedCausal, Data>

const causalModels: WritingModels<LanguagePlan, DescribedCausal> = {
  open: (plan) =>
    Effect.gen(function* () {
      const model = yield* describeLanguagePlan(plan)
      const { origin, maxLength: positions } = model
      const tokenizer = yield* plannedTokenizer(yield* causalTokenizer(origin, model), plan.data)
      return { model, tokenizer, base: origin.where, positions }
    }),
  memory: (plan, model, trainable, sites, sequences) => estimateMemory(plan, model, trainable, sites, sequences)
}

export const resolveWriting = <
  Plan extends WritingPlan,
  Model extends Adaptable & { readonly stack?: Stack | undefined },
  Data extends OpenedData
>(
  declared: Plan,
  name: string,
  models: WritingModels<Plan, Model>,
  rows: WritingRows<Plan, Model, Data>
): Effect.Effect<ResolvedWritingPlan<Plan, Model, Data>, ResolveError, World> =>
  Effect.gen(function* () {
    const fail = (problems: ReadonlyArray<string>) => new ResolveError({ name, problems })
    const reported = Effect.mapError(({ message }: { readonly message: string }) => fail([message]))
    const { model, tokenizer, base, positions } = yield* reported(models.open(declared))
    const data = yield* Effect.result(rows.open(declared, tokenizer, model))
    const selected = selectSites(declared, model)
    if (Result.isFailure(data) || Result.isFailure(selected)) {
      const failures: ReadonlyArray<Result.Result<unknown, { readonly message: string }>> = [data, selected]
      return yield* fail(failures.flatMap((part) => (Result.isFailure(part) ? [part.failure.message] : [])))
    }
    const plan = rows.filled(declared, data.success, tokenizer)
    const maxLength = Math.min(plan.data.maxLength, positions)
    const perEpoch =
      plan.training.epochs === undefined ? 0 : yield* reported(rows.batchesPerEpoch(plan, data.success, maxLength))
    const described = { plan, name, base, model, tokenizer, selected: selected.success, data: data.success }
    const frozen = frozenBlocksOf(model, described.selected) > 0
    return withCosts(described, {
      batches: perEpoch,
      memory: (trainable) => models.memory(plan, model, trainable, described.selected.sites, rows.sequences),
      rows: {
        tokens: frozen ? yield* reported(rows.tokens(data.success, maxLength)) : 0,
        sameRows: rows.sameRows(plan)
      },
      warnings: [...data.success.warnings, ...tooLong(plan, positions)]
    })
  })

const tooLong = ({ data }: WritingPlan, positions: number): ReadonlyArray<string> =>
  data.maxLength > positions
    ? [`data.maxLength ${data.maxLength} is more than the model's ${positions} positions; rows are cut at ${positions}`]
    : []

/** Maximum number of logits that exist at a time (`kernels/linear-cross-entropy.ts`). */
export const LOGITS = 2 ** 23

/**
 * Estimates memory in bytes for a decoder and a batch whose rows all have `data.maxLength` tokens. Each layer keeps its input, two norms,
 * q, k and v (and rotated q and k), attention's output and its rows' statistics, and the gate and up projections with the values that
 * SwiGLU saves; the output layer keeps logits of one chunk of rows. `sequences`: sequences per row of a batch.
 */
export const estimateMemory = (
  plan: LanguagePlan,
  model: CausalDescription,
  trainable: Omit<TrainableCounts, "total">,
  sites: ReadonlyArray<SelectedSite<object>>,
  sequences = 1
): MemoryEstimate => {
  const { hiddenSize, intermediateSize, attentionHeads, keyValueHeads, headDim, layers } = model
  const length = Math.min(plan.data.maxLength, model.maxLength)
  const heads = (2 * attentionHeads + 3 * keyValueHeads) * headDim
  const saved = 5 * hiddenSize + heads + 4 * intermediateSize
  const { recompute } = plan.training
  const [batchSize, evaluateBatchSize] = [sequences * plan.training.batchSize, sequences * evaluatedRows(plan)]
  const savedPerRow = recompute === "none" ? layers * saved : layers * hiddenSize + saved
  const rows = Math.max(batchSize * (savedPerRow + saved), evaluateBatchSize * 2 * saved)
  const tables = tablesOf(model.decoder).map(() => ({ out: model.vocabularySize, in: hiddenSize }))
  const logits = Math.min(LOGITS, Math.max(batchSize, evaluateBatchSize) * length * model.vocabularySize)
  return memoryEstimate(
    plan,
    trainable,
    { all: model.sites, adapted: sites },
    {
      weights: bytesOfWeights(plan.model.weights, model.sites, trainable.frozen, tables),
      activations: FLOAT * (length * rows + 2 * logits)
    },
    tables
  )
}

const languageWords = {
  model: ({ family, layers, hiddenSize, vocabularySize }: DescribedCausal) =>
    `${family} (${layers} layers, ${hiddenSize} wide, vocabulary ${wholeNumber(vocabularySize)})`,
  modelName: ({ family }: DescribedCausal) => family,
  untrained: () => "the base model",
  lines: () => ({}),
  json: ({ model: { family, source, tied, unusedTensors } }: { readonly model: DescribedCausal }) => ({
    model: { family, source, tied, unusedTensors }
  })
}

/** Describes the lengths of a split's rows, and the fraction of learned tokens. */
const rowsText = ({ truncated, learned, tokens: { p50, p95, max } }: CausalSplitDescription): string => {
  const cut = truncated > 0 ? `; ${percent(truncated)} are longer` : ""
  return `${p50} tokens (median), ${p95} (95 %), ${max} (longest)${cut}; ${percent(learned)} of the tokens are learned`
}

interface LanguageData extends OpenedData {
  /** the first training row as the model's input */
  readonly sample: () => Effect.Effect<RenderedSample, DataError>
  readonly describe: () => ReadonlyArray<CausalSplitDescription>
}

type LanguageKindOf<Plan extends LanguagePlan, Data extends LanguageData> = RunKind<
  Plan,
  ResolvedLanguagePlan<Plan, Data>
>

/** The parts of a kind over causal language models that differ between kinds. */
interface LanguageKind<Plan extends LanguagePlan, Data extends LanguageData>
  extends Pick<
    LanguageKindOf<Plan, Data>,
    "metrics" | "headline" | "baseline" | "suggesting" | "detecting" | "adopting" | "runner" | "publisher"
  > {
  readonly rows: LanguageRows<Plan, Data>
  /** end of the sentence about a split's rows */
  readonly each?: string
  /** returns whether the data are conversations, so that prompts use the chat template */
  chats(data: Plan["data"]): boolean
}

export const languageKind = <Plan extends LanguagePlan, Data extends LanguageData>({
  rows,
  each = "",
  chats,
  ...kindOptions
}: LanguageKind<Plan, Data>): LanguageKindOf<Plan, Data> => ({
  ...kindOptions,
  resolve: (plan, name) => resolveWriting(plan, name, causalModels, rows),
  describe: describeLanguagePlan,
  baseOf: (_, { origin }) => origin.where,
  labelsOf: () => [],
  words: { ...languageWords, rows: (split) => rowsText(split as CausalSplitDescription) + each },
  sample: ({ data }) => data.sample(),
  next: ({ data }, run) => (chats(data) ? `chat ${run}` : `generate ${run} "your prompt"`)
})
