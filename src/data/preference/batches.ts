/** Batches of pairs: all chosen answers, followed in the same order by the rejected ones, each after its prompt. */
import type * as Stream from "effect/Stream"
import type { CausalRows, CausalTokenizer } from "../../tensors/index.ts"
import { type Batching, type Numbered, type PoolOptions, pooledBatches, stretchedBatches } from "../batching.ts"
import { padRows } from "../causal/batching.ts"
import { ignored, type Sequence } from "../causal/row.ts"
import type { DataError } from "../data-error.ts"
import { lengthBatches, type Padding } from "../text-batches.ts"
import { type Pair, type PreferenceSplit, pairsOf } from "./split.ts"

/** A batch of n pairs: `size` is 2n. */
export interface PairRows extends CausalRows {
  /** 1 where the target token is part of the answer, shape `[size·length]` */
  readonly answers: Float32Array
  /** pairs, shape [n] */
  readonly pairs: ReadonlyArray<Pair>
  /** number of loss terms: n */
  readonly counted: number
}

export interface PairPadding extends Padding {
  /** whether the prompts of chosen answers have labels, too */
  readonly prompts: boolean
}

/** Pads at least one pair to PairRows of shape [2n, length]. */
export const padPairs = (pairs: ReadonlyArray<Pair>, { prompts, ...padding }: PairPadding): PairRows => {
  const sides = [...pairs.map(({ chosen }) => chosen), ...pairs.map(({ rejected }) => rejected)]
  const labelled = sides.map((side, i) => [prompts && i < pairs.length ? wholly(side) : side])
  const rows = padRows(labelled, padding)
  const answers = new Float32Array(rows.size * rows.length)
  for (const [i, { labels }] of sides.entries()) {
    for (const [t, label] of labels.entries()) if (label !== ignored) answers[i * rows.length + t] = 1
  }
  return { ...rows, answers, pairs, counted: pairs.length }
}

/** Makes every token except the first a label. */
const wholly = ({ ids }: Sequence): Sequence => ({
  ids,
  labels: ids.map((_, t) => (t + 1 < ids.length ? ids[t + 1]! : ignored))
})

const longerOf = ({ chosen, rejected }: Pair): number => Math.max(chosen.ids.length, rejected.ids.length)

export interface PairBatchOptions extends Pick<PairPadding, "prompts" | "maxLength" | "padMultiple"> {}

type Tokens = Pick<CausalTokenizer, "padId">

/** Yields batches endlessly. Requires a split with at least one comparable pair. */
export const pairTrainingBatches = (
  split: PreferenceSplit,
  { padId }: Tokens,
  { prompts, maxLength, padMultiple, ...options }: PairBatchOptions & PoolOptions
): Stream.Stream<PairRows & Numbered, DataError> => {
  const batching: Batching<Pair, PairRows> = {
    rows: split.rows,
    read: (indices) => pairsOf(split, indices, maxLength),
    lengthOf: longerOf,
    pad: (pairs) => padPairs(pairs, { padId, padMultiple, maxLength, prompts })
  }
  return pooledBatches(batching, options)
}

/** Yields every pair once, grouped by similar length; see `stretchedBatches`. */
export const pairEvaluationBatches = (
  split: PreferenceSplit,
  { padId }: Tokens,
  {
    batchSize,
    rows,
    prompts,
    ...lengths
  }: PairBatchOptions & { readonly batchSize: number; readonly rows?: number | undefined }
): Stream.Stream<PairRows, DataError> =>
  stretchedBatches(
    { rows: split.rows, read: (indices) => pairsOf(split, indices, lengths.maxLength) },
    { batchSize, rows },
    (pairs) =>
      lengthBatches(pairs, longerOf, batchSize, lengths).map((some) => padPairs(some, { ...lengths, padId, prompts }))
  )
