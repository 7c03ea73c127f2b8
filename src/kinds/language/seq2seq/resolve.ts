/** Encoder-decoder models: resolves a plan before its weights are read. */
import * as Effect from "effect/Effect"
import type { SelectedSite } from "../../../../adapters/index.ts"
import type { Seq2SeqPlan } from "../../../../schemas/index.ts"
import { percent } from "../../../boundary/index.ts"
import type { RenderedSample } from "../../../data/causal/index.ts"
import { batchesPerEpoch, type DataError, type LengthPercentiles, lengthPercentiles } from "../../../data/index.ts"
import {
  type OpenedSeq2Seq,
  openSeq2Seq,
  type Seq2SeqEncoding,
  type Seq2SeqExample,
  type Seq2SeqSplit,
  type SourceTargetSplit,
  seq2seqExamples,
  sidesOf
} from "../../../data/seq2seq/index.ts"
import { savedWeights } from "../../../kernels/index.ts"
import { describeSeq2Seq, type Seq2SeqDescription, seq2seqTokenizer } from "../../../models/seq2seq/index.ts"
import {
  bytesOfWeights,
  evaluatedRows,
  FLOAT,
  type MemoryEstimate,
  memoryEstimate,
  type TrainableCounts
} from "../../../plan/index.ts"
import { LOGITS, type ResolvedWritingPlan, resolveWriting, type WritingModels, type WritingRows } from "../kind.ts"
import { plain } from "./scores.ts"

/** A split with the lengths of sources and targets, end token included, from a sample of its rows. */
export interface MeasuredSplit extends SourceTargetSplit {
  readonly sources: LengthPercentiles
  readonly targets: LengthPercentiles
}

/** The data of a plan with measured lengths. */
export interface MeasuredSeq2Seq extends Omit<OpenedSeq2Seq, "describe"> {
  readonly describe: () => ReadonlyArray<MeasuredSplit>
  /** the first training row as the model's input */
  readonly sample: () => Effect.Effect<RenderedSample, DataError>
}

export interface ResolvedSeq2SeqPlan extends ResolvedWritingPlan<Seq2SeqPlan, Seq2SeqDescription, MeasuredSeq2Seq> {}

export const describeSeq2SeqPlan = ({ model }: Seq2SeqPlan) => describeSeq2Seq(model.source)

/** Returns the tokenization options of a plan. */
export const encodingOf = (
  { data }: Seq2SeqPlan,
  { startId, eosId, padId }: Pick<Seq2SeqDescription, "startId" | "eosId" | "padId">,
  tokenizer: Seq2SeqEncoding["tokenizer"]
): Seq2SeqEncoding => {
  const { prefix, maxLength, maxTargetLength } = data
  return { tokenizer, startId, eosId, padId, prefix, maxLength, maxTargetLength }
}

const models: WritingModels<Seq2SeqPlan, Seq2SeqDescription> = {
  open: (plan) =>
    Effect.gen(function* () {
      const model = yield* describeSeq2SeqPlan(plan)
      const tokenizer = yield* seq2seqTokenizer(model)
      // positions are relative
      return { model, tokenizer, base: model.folder, positions: Number.POSITIVE_INFINITY }
    }),
  memory: (plan, model, trainable, sites) => estimateMemory(plan, model, trainable, sites)
}

const rows: WritingRows<Seq2SeqPlan, Seq2SeqDescription, MeasuredSeq2Seq> = {
  open: (plan, tokenizer, model) =>
    Effect.gen(function* () {
      const data = yield* openSeq2Seq(plan.data, plan.seed)
      const { maxLength, maxTargetLength } = plan.data
      const encoding = encodingOf(plan, model, tokenizer)
      const sides = sidesOf(encoding)
      const descriptions: Array<MeasuredSplit> = []
      for (const description of data.describe()) {
        const split = data.splits[description.split]!
        const sources = yield* lengthPercentiles(split, sides.source.encode, maxLength)
        const targets = yield* lengthPercentiles(onlyTargets(split), sides.target.encode, maxTargetLength)
        descriptions.push({ ...description, sources, targets })
      }
      return {
        ...data,
        warnings: [
          ...data.warnings,
          ...descriptions.flatMap((description) => cutWarnings(description, plan.data)),
          ...(yield* unwritable(data, tokenizer))
        ],
        describe: () => descriptions,
        sample: () => renderedPair(data.splits.train, encoding, tokenizer)
      }
    }),
  // generated texts are later compared with the targets of these rows
  filled: (plan, { targets }) => (targets === null ? plan : { ...plan, data: { ...plan.data, targets } }),
  batchesPerEpoch: ({ training: { batchSize } }, { splits }) =>
    Effect.succeed(batchesPerEpoch(splits.train.rows, batchSize)),
  tokens: (data) => Effect.succeed(data.describe()[0]!.sources.mean + data.describe()[0]!.targets.mean),
  sequences: 1,
  sameRows: () => true
}

export const resolveSeq2Seq = (plan: Seq2SeqPlan, name: string) => resolveWriting(plan, name, models, rows)

/** Returns the first row with its tokens decoded: the source text, and the target, which is learned. */
const renderedPair = (
  train: Seq2SeqSplit,
  encoding: Seq2SeqEncoding,
  { decode }: ResolvedSeq2SeqPlan["tokenizer"]
): Effect.Effect<RenderedSample, DataError> =>
  Effect.gen(function* () {
    const [row] = yield* train.read([0])
    const tokensOf = ({ source, target }: Seq2SeqExample) => source.length + target.length
    const [cut] = yield* seq2seqExamples([row!], encoding)
    const [uncut] = yield* seq2seqExamples([row!], { ...encoding, maxLength: UNCUT, maxTargetLength: UNCUT })
    const { source, target } = cut!
    return {
      where: row!.where,
      runs: [
        { text: decode(source, { special: true }), trained: false },
        { text: decode(target, { special: true }), trained: true }
      ],
      tokens: tokensOf(cut!),
      uncut: tokensOf(uncut!),
      trained: target.length
    }
  })

const UNCUT = 2 ** 31 - 1

const onlyTargets = (split: Seq2SeqSplit): Seq2SeqSplit => ({
  ...split,
  read: (indices) => Effect.map(split.read(indices), (some) => some.map((row) => ({ ...row, text: row.target })))
})

const cutWarnings = (
  { split, where, sources, targets }: MeasuredSplit,
  { maxLength, maxTargetLength }: Seq2SeqPlan["data"]
): ReadonlyArray<string> => {
  const cut = (side: LengthPercentiles, what: string, at: string, lost: string) =>
    side.truncated === 0
      ? []
      : [
          `${split} (${where}): ${percent(side.truncated)} of the ${what} are longer than ${at} and are truncated${lost} (95 % have at most ${side.p95} tokens, the longest ${side.max})`
        ]
  return [
    ...cut(sources, "input texts", `data.maxLength, ${maxLength} tokens,`, ""),
    ...cut(
      targets,
      "targets",
      `data.maxTargetLength, ${maxTargetLength} tokens,`,
      ", so these cannot be generated in full"
    )
  ]
}

// a number that takes no noticeable time
const LOOKED_AT = 256
const SHOWN = 3

/** Warns of targets that the tokenizer does not reproduce: the model cannot generate tokens that its vocabulary lacks. */
const unwritable = ({ splits: { train }, targets }: OpenedSeq2Seq, tokenizer: ResolvedSeq2SeqPlan["tokenizer"]) =>
  Effect.gen(function* () {
    const count = Math.min(train.rows, LOOKED_AT)
    const sample = () => train.read(Array.from({ length: count }, (_, i) => Math.floor((i * train.rows) / count)))
    const texts = targets ?? (yield* sample()).map(({ target }) => target)
    const lost = texts.filter((text) => plain(tokenizer.decode(tokenizer.encode(text))) !== plain(text))
    if (lost.length === 0) return []
    const like = lost
      .slice(0, SHOWN)
      .map((text) => `${shownText(text)} as ${shownText(tokenizer.decode(tokenizer.encode(text)))}`)
      .join(", ")
    const some =
      targets === null
        ? `${percent(lost.length / texts.length)} of the targets`
        : `${lost.length} of the ${texts.length} targets`
    return [
      `train (${train.where}): the model's vocabulary cannot represent ${some} exactly (${like}); evaluations count them as wrong`
    ]
  })

const shownText = (text: string): string => JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)

/**
 * Estimates memory in bytes for a batch whose texts all have `data.maxLength` tokens and whose targets have `data.maxTargetLength`. Each
 * layer keeps its input, norms, q, k, v and attention's output, attention's weights where every token is attended to, and the inner
 * values of the feed-forward layer twice; decoder layers have two attentions, of which the second keeps k and v of every source token.
 * After the layers, logits of one chunk of rows.
 */
export const estimateMemory = (
  plan: Seq2SeqPlan,
  model: Seq2SeqDescription,
  trainable: Omit<TrainableCounts, "total">,
  sites: ReadonlyArray<SelectedSite<object>>
): MemoryEstimate => {
  const { hiddenSize, intermediateSize, attentionHeads, headDim, layers, decoderLayers, vocabularySize } = model
  const { maxLength: read, maxTargetLength } = plan.data
  const { batchSize, recompute } = plan.training
  const evaluateBatchSize = evaluatedRows(plan)
  const wide = attentionHeads * headDim
  const inner = model.sites.filter((site) => site.out === intermediateSize).length / (layers + decoderLayers)
  const feedForward = 2 * inner * intermediateSize
  const encoder = read * (4 * hiddenSize + 4 * wide + feedForward) + attentionHeads * savedWeights(read, read)
  const crossed = attentionHeads * savedWeights(maxTargetLength, read)
  const decoder = maxTargetLength * (6 * hiddenSize + 6 * wide + feedForward) + crossed + read * 2 * wide
  // biases of relative positions, which all rows share
  const biases = attentionHeads * (read * read + maxTargetLength * maxTargetLength)
  const all = layers * encoder + decoderLayers * decoder
  const inputs = hiddenSize * (layers * read + decoderLayers * maxTargetLength)
  const largest = Math.max(encoder, decoder)
  const savedPerRow = hiddenSize * read + (recompute === "none" ? all : Math.min(all, inputs + largest))
  // keys and values of target and source tokens during generation
  const cache = 2 * wide * decoderLayers * (read + maxTargetLength)
  const rows = Math.max(batchSize * (savedPerRow + largest), evaluateBatchSize * (2 * largest + cache))
  const logits = Math.min(LOGITS, Math.max(batchSize, evaluateBatchSize) * maxTargetLength * vocabularySize)
  return memoryEstimate(
    plan,
    trainable,
    { all: model.sites, adapted: sites },
    {
      weights: bytesOfWeights(plan.model.weights, model.sites, trainable.frozen),
      activations: FLOAT * (rows + biases + 2 * logits)
    }
  )
}
