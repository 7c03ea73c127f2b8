/**
 * A plan for a model that writes texts, whatever its rows are, before its weights are read: their headers, the tokenizer and its template, every row of the data,
 * the memory it takes. Which models there are, and what their activations are, each kind of them says (`WritingModels`): causal ones here.
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

/** A causal model, and the file or folder that its weights are read from. */
interface DescribedCausal extends CausalDescription {
  readonly origin: CheckpointSource
}

/** A plan for a causal language model, whatever its rows are. */
export type LanguagePlan = CausalPlan | PreferencePlan

/** A plan whose rows are cut at `data.maxLength`. */
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

/** Operations on models of one form before their weights are read. */
export interface WritingModels<Plan extends WritingPlan, Model extends Adaptable> {
  readonly open: (plan: Plan) => Effect.Effect<
    {
      readonly model: Model
      readonly tokenizer: CausalTokenizer
      /** the folder or file */
      readonly base: string
      /** tokens of a row that the model has places for; Infinity where it has no such bound */
      readonly positions: number
    },
    ModelError | DataError,
    World
  >
  /** `sequences`: of a batch for each of its rows */
  readonly memory: (
    plan: Plan,
    model: Model,
    trainable: Omit<TrainableCounts, "total">,
    sites: ReadonlyArray<SelectedSite<object>>,
    sequences: number
  ) => MemoryEstimate
}

/** What plans for such models differ in. `maxLength`: of the plan, and no more than the model's. */
export interface WritingRows<Plan extends WritingPlan, Model extends Adaptable, Data extends OpenedData> {
  readonly open: (plan: Plan, tokenizer: CausalTokenizer, model: Model) => Effect.Effect<Data, DataError, World>
  /** the plan with what its data shows */
  readonly filled: (plan: Plan, data: Data, tokenizer: CausalTokenizer) => Plan
  readonly batchesPerEpoch: (plan: Plan, data: Data, maxLength: number) => Effect.Effect<number, DataError>
  /** tokens of a row of data, on average */
  readonly tokens: (data: Data, maxLength: number) => Effect.Effect<number, DataError>
  /** sequences of a batch for each of its rows */
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
  written: Plan,
  name: string,
  models: WritingModels<Plan, Model>,
  rows: WritingRows<Plan, Model, Data>
): Effect.Effect<ResolvedWritingPlan<Plan, Model, Data>, ResolveError, World> =>
  Effect.gen(function* () {
    const fail = (problems: ReadonlyArray<string>) => new ResolveError({ name, problems })
    const reported = Effect.mapError(({ message }: { readonly message: string }) => fail([message]))
    const { model, tokenizer, base, positions } = yield* reported(models.open(written))
    const data = yield* Effect.result(rows.open(written, tokenizer, model))
    const selected = selectSites(written, model)
    if (Result.isFailure(data) || Result.isFailure(selected)) {
      const failures: ReadonlyArray<Result.Result<unknown, { readonly message: string }>> = [data, selected]
      return yield* fail(failures.flatMap((part) => (Result.isFailure(part) ? [part.failure.message] : [])))
    }
    const plan = rows.filled(written, data.success, tokenizer)
    const maxLength = Math.min(plan.data.maxLength, positions)
    const perEpoch =
      plan.training.epochs === undefined ? 0 : yield* reported(rows.batchesPerEpoch(plan, data.success, maxLength))
    const known = { plan, name, base, model, tokenizer, selected: selected.success, data: data.success }
    const frozen = frozenBlocksOf(model, known.selected) > 0
    return withCosts(known, {
      batches: perEpoch,
      memory: (trainable) => models.memory(plan, model, trainable, known.selected.sites, rows.sequences),
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

/** Numbers of the logits that exist at a time (`kernels/linear-cross-entropy.ts`). */
export const LOGITS = 2 ** 23

/**
 * Of a decoder, a batch whose rows are all `data.maxLength` long: for each layer its input, two norms, q, k and v (turned as well),
 * attention's output and its rows' statistics, and the gate's and up projections with what SwiGLU saves; after the layers, of the
 * output layer, logits of a chunk of rows alone. `sequences`: of a batch for each of its rows.
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

/** How long the rows of a split are, and how much of them is learned. */
const rowsText = ({ truncated, learned, tokens: { p50, p95, max } }: CausalSplitDescription): string => {
  const cut = truncated > 0 ? `; ${percent(truncated)} are longer` : ""
  return `${p50} tokens (median), ${p95} (95 %), ${max} (longest)${cut}; ${percent(learned)} of the tokens are learned`
}

interface LanguageData extends OpenedData {
  /** the first training row as the model will see it */
  readonly sample: () => Effect.Effect<RenderedSample, DataError>
  readonly describe: () => ReadonlyArray<CausalSplitDescription>
}

type LanguageKindOf<Plan extends LanguagePlan, Data extends LanguageData> = RunKind<
  Plan,
  ResolvedLanguagePlan<Plan, Data>
>

/** What a kind over causal language models has of its own. */
interface LanguageKind<Plan extends LanguagePlan, Data extends LanguageData>
  extends Pick<
    LanguageKindOf<Plan, Data>,
    "metrics" | "headline" | "baseline" | "suggesting" | "detecting" | "adopting" | "runner" | "publisher"
  > {
  readonly rows: LanguageRows<Plan, Data>
  /** the end of the sentence about a split's rows */
  readonly each?: string
  /** whether the data are conversations, so that the model is spoken to */
  chats(data: Plan["data"]): boolean
}

export const languageKind = <Plan extends LanguagePlan, Data extends LanguageData>({
  rows,
  each = "",
  chats,
  ...own
}: LanguageKind<Plan, Data>): LanguageKindOf<Plan, Data> => ({
  ...own,
  resolve: (plan, name) => resolveWriting(plan, name, causalModels, rows),
  describe: describeLanguagePlan,
  baseOf: (_, { origin }) => origin.where,
  labelsOf: () => [],
  words: { ...languageWords, rows: (split) => rowsText(split as CausalSplitDescription) + each },
  sample: ({ data }) => data.sample(),
  next: ({ data }, run) => (chats(data) ? `chat ${run}` : `generate ${run} "your prompt"`)
})
