/**
 * The batches of an evaluation: every row once, sorted by length within stretches of the file, so that little is
 * padding and memory does not grow with the file. `rows` tells where each prediction belongs.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { ClassificationSplit } from "./classification-split.ts"
import type { DataError } from "./data-error.ts"
import { padBatch } from "./padding.ts"
import type { Batch } from "./row.ts"
import { type TextTokenizer, tokenizeRows } from "./tokenize.ts"

export interface EvaluationBatchOptions {
  readonly batchSize: number
  /** tokens of a text at most */
  readonly maxLength: number
  /** so many rows from the start; all unless given */
  readonly rows?: number
  /** batch lengths are rounded up to a multiple of this; 1 unless given */
  readonly padMultiple?: number
}

export interface EvaluationBatch extends Batch {
  /** [size]: the row of the split that each row of the batch is */
  readonly rows: Uint32Array
}

// Batches sorted together: 2,048 rows at the default size. Longer stretches save hardly any more padding.
const batchesPerStretch = 32

/** A finite stream, the same whenever it is run. */
export const evaluationBatches = (
  split: ClassificationSplit,
  tokenizer: TextTokenizer,
  options: EvaluationBatchOptions
): Stream.Stream<EvaluationBatch, DataError> => {
  const { batchSize, maxLength, padMultiple = 1 } = options
  const end = Math.min(split.rows, options.rows ?? split.rows)
  const padding = { padId: tokenizer.padId, padMultiple, maxLength }
  return Stream.paginate(0, (start) =>
    Effect.gen(function* () {
      const size = Math.max(0, Math.min(end - start, batchSize * batchesPerStretch))
      const indices = Uint32Array.from({ length: size }, (_, i) => start + i)
      const examples = yield* tokenizeRows(yield* split.read(indices), tokenizer, split.labels, maxLength)
      const sorted = indices.toSorted((a, b) => examples[a - start]!.ids.length - examples[b - start]!.ids.length)
      const batches = Array.from({ length: Math.ceil(size / batchSize) }, (_, i): EvaluationBatch => {
        const rows = sorted.subarray(i * batchSize, (i + 1) * batchSize)
        return {
          ...padBatch(
            Array.from(rows, (row) => examples[row - start]!),
            padding
          ),
          rows
        }
      })
      return [batches, start + size < end ? Option.some(start + size) : Option.none<number>()] as const
    })
  )
}
