/** Batches of token sequences row by row: what decides the hidden states of each, and some of them as a batch. */
import type { CausalRows, TokenRows, TokenTexts } from "../tensors/index.ts"
import type { Sequences } from "./model.ts"

/** Returns the rows of a batch of texts for classification. */
export const textSequences = ({
  size,
  length,
  inputIds,
  tokenTypeIds,
  attentionMask,
  labels
}: TokenTexts & Partial<Pick<TokenRows, "labels">>): Sequences | undefined =>
  sequences(
    size,
    length,
    [inputIds, tokenTypeIds, attentionMask],
    (at) => attentionMask[at] !== 0,
    (part, rows) => ({
      ...part,
      inputIds: part.of(inputIds),
      tokenTypeIds: part.of(tokenTypeIds),
      attentionMask: part.of(attentionMask),
      labels: Int32Array.from(rows, (row) => labels?.[row] ?? 0)
    })
  )

/** Returns the rows of a causal batch; undefined if they are too short to be computed separately. */
export const causalSequences = (batch: CausalRows): Sequences | undefined => {
  const { size, length, inputIds, labels, segments, positions, textLengths } = batch
  const isToken = (at: number) => segments[at]! >= 0
  // some rotary positions depend on how long a text is
  const lengths =
    textLengths === undefined ? [] : [Int32Array.from(positions, (_, at) => textLengths[Math.floor(at / length)]!)]
  return sequences(size, length, [inputIds, segments, positions, ...lengths], isToken, (part, rows) => ({
    ...part,
    inputIds: part.of(inputIds),
    labels: part.of(labels),
    segments: part.of(segments),
    positions: part.of(positions),
    ...(textLengths === undefined ? {} : { textLengths: rows.map((row) => textLengths[row]!) })
  }))
}

interface Part extends Pick<TokenRows, "size" | "length" | "tokens"> {
  /** The part's numbers of a whole batch's. */
  readonly of: <A extends Int32Array | Float32Array>(values: A) => A
}

/**
 * Positions from which on a row's hidden states do not depend on its company (`rowsAlone` of a device): attention of fewer queries and
 * products of one row may be summed in an order of their own.
 */
const LEAST = 4

/** `deciding`: row-major [size, length], what hidden states depend on. */
const sequences = (
  size: number,
  length: number,
  deciding: ReadonlyArray<Int32Array | Float32Array>,
  isToken: (at: number) => boolean,
  batchOf: (part: Part, rows: ReadonlyArray<number>) => TokenRows | CausalRows
): Sequences | undefined => {
  if (length < LEAST) return undefined
  const rows = Array.from({ length: size }, (_, row) => {
    const start = row * length
    let end = start + length
    while (end > start + 1 && !isToken(end - 1)) end--
    const numbers = deciding.map((values) => values.subarray(start, end).join())
    return { key: numbers.join(";"), tokens: end - start }
  })
  const some = (picked: ReadonlyArray<number>) => {
    const counts = picked.map((row) => rows[row]!.tokens)
    const longest = Math.max(LEAST, ...counts)
    const of = <A extends Int32Array | Float32Array>(values: A): A => {
      const part = values.slice(0, picked.length * longest)
      for (const [i, row] of picked.entries())
        part.set(values.subarray(row * length, row * length + longest), i * longest)
      return part as A
    }
    const tokens = counts.reduce((sum, count) => sum + count, 0)
    return batchOf({ size: picked.length, length: longest, tokens, of }, picked)
  }
  return { length, rows, some }
}
