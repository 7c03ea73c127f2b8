/** Inspects a plan's rows before training: token statistics over a sample, and one row as the model sees it. */
import * as Effect from "effect/Effect"
import { randomStream } from "../../numbers/index.ts"
import type { CausalTokenizer } from "../../tensors/index.ts"
import { isBroken } from "../columns.ts"
import { DataError, dataError, mostProblems } from "../data-error.ts"
import { shuffle } from "../order.ts"
import { percentilesOf } from "../tokenize.ts"
import { textsOf } from "./content.ts"
import { type CausalRow, ignored, type Sequence } from "./row.ts"
import { type CausalSplit, cut, sequencesOf } from "./split.ts"

/** Token statistics of a split's rows, from a sample; turns that are separate examples count separately. */
export interface TokenStatistics {
  /** rows measured: at most 512, fewer if they are long */
  readonly sample: number
  /** untruncated tokens per row (percentiles by nearest rank) */
  readonly tokens: {
    /** mean */
    readonly mean: number
    /** median */
    readonly p50: number
    /** 95th percentile */
    readonly p95: number
    /** maximum */
    readonly max: number
  }
  /** share of the rows longer than `maxLength`, 0 … 1 */
  readonly truncated: number
  /** share of the tokens after truncation that are learned */
  readonly learned: number
  /** share of the rows without learned tokens, because all of them are truncated */
  readonly unlearned: number
  /** share of the rows that begin with two beginning-of-text tokens */
  readonly doubled: number
}

// The share above a percentile has a standard error of at most 2.2 percentage points.
const largestSample = 512

/**
 * Measures the lengths of a split's rows in tokens, and the truncated and learned shares, over a sample. Fails with every row
 * of the sample that cannot be tokenized.
 */
export const measured = (
  split: CausalSplit,
  maxLength: number,
  bosId: number | null
): Effect.Effect<TokenStatistics, DataError> =>
  Effect.gen(function* () {
    const sequences: Array<Sequence> = []
    const problems: Array<string> = []
    for (const { content, where } of yield* sampledRows(split, largestSample)) {
      const encoded = split.encode(content)
      if (isBroken(encoded)) problems.push(`${where}: ${encoded.broken}`)
      else sequences.push(...encoded)
    }
    if (problems.length > 0) {
      return yield* new DataError({
        where: split.where,
        problems: problems.slice(0, mostProblems),
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
  const percentile = percentilesOf(lengths)
  const shareOf = (is: (sequence: Sequence) => boolean) => sequences.filter(is).length / Math.max(1, sequences.length)
  const pieces = sequences.map((sequence) => cut(sequence, maxLength, tooLong))
  const sampled = pieces.flat()
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
    learned: learnedIn(sampled) / Math.max(1, sum(sampled.map(({ ids }) => ids.length))),
    unlearned: pieces.filter((some) => learnedIn(some) === 0).length / Math.max(1, pieces.length),
    doubled: bosId === null ? 0 : shareOf(({ ids }) => ids[0] === bosId && ids[1] === bosId)
  }
}

const isLearned = (label: number): boolean => label !== ignored

const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((total, number) => total + number, 0)

// lengths have a standard deviation of about their mean: 9 % of error
const sampleForMean = 128

/** Returns the mean tokens per data row after truncation, over a sample. */
export const meanTokens = (split: CausalSplit, maxLength: number): Effect.Effect<number, DataError> =>
  Effect.gen(function* () {
    const sequences = yield* sequencesOf(split, yield* sampledRows(split, sampleForMean))
    const examples = sequences.flat().flatMap((sequence) => cut(sequence, maxLength, split.tooLong))
    return sum(examples.map(({ ids }) => ids.length)) / Math.max(1, sequences.length)
  })

/** A row as the model sees it, in readable form. */
export interface RenderedSample {
  /** place of the row */
  readonly where: string
  /** the text truncated at `maxLength`, in learned and other pieces */
  readonly runs: ReadonlyArray<{
    /** decoded text, including special tokens */
    readonly text: string
    /** whether its tokens are learned */
    readonly trained: boolean
  }>
  /** number of tokens after truncation */
  readonly tokens: number
  /** number of tokens before truncation */
  readonly uncut: number
  /** number of learned tokens */
  readonly trained: number
  /** number of examples that the row becomes, of which the last is shown; absent: one */
  readonly examples?: number
}

/** Decodes the tokens of one row of a split; a token is learned if it is the label of the previous one. */
export const renderedSample = (
  split: CausalSplit,
  { decode }: Pick<CausalTokenizer, "decode">,
  maxLength: number,
  row = 0
): Effect.Effect<RenderedSample, DataError> =>
  Effect.gen(function* () {
    const [firstRow] = yield* split.read([row])
    const { content, where } = firstRow!
    const sequences = split.encode(content)
    if (isBroken(sequences)) return yield* dataError(where, sequences.broken)
    // of several, the last shows most: its prompt includes the others
    const sequence = sequences.at(-1)!
    const { ids, labels } = cut(sequence, maxLength, split.tooLong)[0]!
    const runs: Array<{ readonly text: string; readonly trained: boolean }> = []
    const learned = (t: number) => t > 0 && labels[t - 1] !== ignored
    for (let from = 0; from < ids.length; ) {
      let to = from + 1
      while (to < ids.length && learned(to) === learned(from)) to++
      runs.push({ text: decode([...ids.subarray(from, to)], { special: true }), trained: learned(from) })
      from = to
    }
    const trained = labels.filter((label) => label !== ignored).length
    return { where, runs, tokens: ids.length, uncut: sequence.ids.length, trained, examples: sequences.length }
  })

// Tokenizing them takes about a second.
const mostCharacters = 1_000_000
const rowsPerRead = 16

/**
 * Returns at most `most` evenly spaced rows, deterministically; fewer if they are long, but at least sixteen. Their order is shuffled, so that
 * any part of them is a sample too.
 */
export const sampledRows = (split: CausalSplit, most: number): Effect.Effect<ReadonlyArray<CausalRow>, DataError> =>
  Effect.gen(function* () {
    const count = Math.min(split.rows, most)
    const indices = Uint32Array.from({ length: count }, (_, i) => Math.floor((i * split.rows) / count))
    shuffle(indices, randomStream(0, "sample"))
    const rows: Array<CausalRow> = []
    let characters = 0
    for (let at = 0; at < count && characters < mostCharacters; at += rowsPerRead) {
      for (const row of yield* split.read(indices.subarray(at, at + rowsPerRead))) {
        rows.push(row)
        for (const text of textsOf(row.content)) characters += text.length
      }
    }
    return rows
  })
