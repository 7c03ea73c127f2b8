/** The batches of an evaluation: every example once, the same whenever it is run; memory does not grow with the file. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { CausalRows, CausalTokenizer } from "../../tensors/index.ts"
import type { DataError } from "../data-error.ts"
import { type Batching, orderedBatches } from "./batching.ts"
import { originsOf, padRows } from "./padding.ts"
import { type CausalSplit, examplesOf } from "./split.ts"

export interface CausalEvaluationBatchOptions extends Batching {
  /** so many rows from the start; all unless given */
  readonly rows?: number
  /** batch lengths are rounded up to a multiple of this; 1 unless given */
  readonly padMultiple?: number
}

export interface CausalEvaluationBatch extends CausalRows {
  /** [size]: the rows of the split that stand in each row of the batch, in the order of its segments */
  readonly rows: ReadonlyArray<ReadonlyArray<number>>
}

// Rows of data read together, in batches: longer stretches save hardly any more padding.
const batchesPerStretch = 32

/** A finite stream. Rows in which nothing is learned are not in it. */
export const causalEvaluationBatches = (
  split: CausalSplit,
  { padId }: Pick<CausalTokenizer, "padId">,
  options: CausalEvaluationBatchOptions
): Stream.Stream<CausalEvaluationBatch, DataError> => {
  const { batchSize, maxLength, padMultiple = 1 } = options
  const end = Math.min(split.rows, options.rows ?? split.rows)
  return Stream.paginate(0, (start) =>
    Effect.gen(function* () {
      const size = Math.max(0, Math.min(end - start, batchSize * batchesPerStretch))
      const indices = Uint32Array.from({ length: size }, (_, i) => start + i)
      const examples = yield* examplesOf(split, indices, maxLength)
      const batches = orderedBatches(examples, options).map(
        (rows): CausalEvaluationBatch => ({
          ...padRows(rows, { padId, padMultiple, maxLength }),
          rows: originsOf(rows)
        })
      )
      return [batches, start + size < end ? Option.some(start + size) : Option.none<number>()] as const
    })
  )
}
