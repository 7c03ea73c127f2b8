/** How long the rows of a split are in tokens, how much of them is cut off and how much is learned: on a sample. */
import * as Effect from "effect/Effect"
import { DataError, problemsShown } from "../data-error.ts"
import { isBrokenValue } from "./fields.ts"
import { ignored, type Sequence } from "./row.ts"
import { sampledRows } from "./sampled-rows.ts"
import { type CausalSplit, cut } from "./split.ts"

export interface TokenStatistics {
  /** rows looked at: 512 at most, fewer where they are long */
  readonly sample: number
  /** tokens of a row, uncut (nearest rank) */
  readonly tokens: { readonly mean: number; readonly p50: number; readonly p95: number; readonly max: number }
  /** share of the rows that are longer than `maxLength`, in 0 … 1 */
  readonly truncated: number
  /** share of the tokens, behind the cut, that are learned */
  readonly learned: number
  /** share of the rows of which nothing is learned, because all of it is cut off */
  readonly unlearned: number
  /** share of the rows that begin with the beginning-of-text token twice */
  readonly doubled: number
}

// The share above a percentile has a standard error of 2.2 percentage points at most.
const largestSample = 512

/** Fails with every row of the sample that cannot become tokens. */
export const measured = (
  split: CausalSplit,
  maxLength: number,
  bosId: number | null
): Effect.Effect<TokenStatistics, DataError> =>
  Effect.gen(function* () {
    const sequences: Array<Sequence> = []
    const problems: Array<string> = []
    for (const { content, where } of yield* sampledRows(split, largestSample)) {
      const sequence = split.encode(content)
      if (isBrokenValue(sequence)) problems.push(`${where}: ${sequence.broken}`)
      else sequences.push(sequence)
    }
    if (problems.length > 0) {
      return yield* new DataError({
        where: split.where,
        problems: problems.slice(0, problemsShown),
        total: problems.length
      })
    }
    return statistics(sequences, maxLength, split.tooLong, bosId)
  })

const statistics = (
  sequences: ReadonlyArray<Sequence>,
  maxLength: number,
  tooLong: CausalSplit["tooLong"],
  bosId: number | null
): TokenStatistics => {
  const lengths = sequences.map(({ ids }) => ids.length).sort((a, b) => a - b)
  const percentile = (share: number) => lengths[Math.max(0, Math.ceil(share * lengths.length) - 1)] ?? 0
  const shareOf = (is: (sequence: Sequence) => boolean) => sequences.filter(is).length / Math.max(1, sequences.length)
  const pieces = sequences.map((sequence) => cut(sequence, maxLength, tooLong))
  const kept = pieces.flat()
  const learnedIn = (some: ReadonlyArray<Sequence>) => sum(some.map(({ labels }) => labels.filter(isLearned).length))
  return {
    sample: sequences.length,
    tokens: {
      mean: sum(lengths) / Math.max(1, lengths.length),
      p50: percentile(0.5),
      p95: percentile(0.95),
      max: percentile(1)
    },
    truncated: shareOf(({ ids }) => ids.length > maxLength),
    learned: learnedIn(kept) / Math.max(1, sum(kept.map(({ ids }) => ids.length))),
    unlearned: pieces.filter((some) => learnedIn(some) === 0).length / Math.max(1, pieces.length),
    doubled: bosId === null ? 0 : shareOf(({ ids }) => ids[0] === bosId && ids[1] === bosId)
  }
}

const isLearned = (label: number): boolean => label !== ignored

const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((total, one) => total + one, 0)
