/** How long a split's texts are in tokens, and how many are cut: what one needs to choose `maxLength`. */
import * as Effect from "effect/Effect"
import { DataError } from "./data-error.ts"
import type { LabelledTextSource } from "./source.ts"
import { encoded, type TextTokenizer } from "./tokenize.ts"

export interface LengthPercentiles {
  /** rows looked at */
  readonly sample: number
  /** tokens, special tokens included: half of the texts have at most so many */
  readonly p50: number
  /** 95 % of the texts have at most so many */
  readonly p95: number
  readonly max: number
  /** share of the texts that are longer than `maxLength`, in 0 … 1 */
  readonly truncated: number
}

// The share above a percentile p has a standard error of √(p(1−p)/2000) ≤ 1.1 percentage points.
const largestSample = 2_000
// No text has so many tokens; "do not cut" for any tokenizer.
const uncut = 2 ** 31 - 1

/** Percentiles (nearest rank) over at most `sample` rows, evenly spaced over the source. */
export const lengthPercentiles = (
  source: LabelledTextSource,
  encode: TextTokenizer["encode"],
  maxLength: number,
  sample: number = largestSample
): Effect.Effect<LengthPercentiles, DataError> =>
  Effect.gen(function* () {
    const count = Math.min(source.rows, sample)
    const rows = yield* source.read(
      Uint32Array.from({ length: count }, (_, i) => Math.floor((i * source.rows) / count))
    )
    const lengths = new Uint32Array(count)
    for (const [i, row] of rows.entries()) {
      const encoding = encoded(row, { encode }, uncut)
      if (encoding instanceof DataError) return yield* encoding
      lengths[i] = encoding.ids.length
    }
    lengths.sort()
    const percentile = (share: number) => lengths[Math.max(0, Math.ceil(share * count) - 1)] ?? 0
    const truncated = lengths.filter((length) => length > maxLength).length / Math.max(1, count)
    return { sample: count, p50: percentile(0.5), p95: percentile(0.95), max: percentile(1), truncated }
  })
