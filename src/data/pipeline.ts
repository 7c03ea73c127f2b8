/**
 * Stages of a data pipeline as stream operators, to be composed in code; data from other sources can enter at
 * any stage. (A plan's own batches are `trainingBatches`: they also shuffle the whole file and can be resumed.)
 *
 * @example
 * import { batch, classification, tokenize } from "tfjs-lora-pro/data"
 * import type { Model } from "tfjs-lora-pro/models"
 *
 * // Stream<Batch, DataError>
 * const batches = ({ tokenizer }: Model) =>
 *   classification("train.jsonl").pipe(
 *     tokenize(tokenizer, { maxLength: 64, labels: ["negative", "positive"] }),
 *     batch({ size: 16, seed: 0 })
 *   )
 */
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { randomStream } from "../numbers/index.ts"
import type { TokenRows } from "../tensors/index.ts"
import type { DataError } from "./data-error.ts"
import { openLabelledFile } from "./labelled-rows.ts"
import { bucketBatches, shuffle } from "./order.ts"
import type { Example, LabelledText } from "./source.ts"
import { padBatch } from "./text-batches.ts"
import { type TextTokenizer, tokenizeRows } from "./tokenize.ts"

// Rows to read at once, enough for an efficient read.
const rowsPerRead = 512

/** Reads the rows of a file once, in order. Checks the whole file before the first row. */
export const classification = (
  path: string,
  {
    text = "text",
    label = "label"
  }: {
    /** column of the text; default "text" */
    readonly text?: string
    /** column of the label; default "label" */
    readonly label?: string
  } = {}
): Stream.Stream<LabelledText, DataError> =>
  Stream.unwrap(
    Effect.map(openLabelledFile(path, { text, label }), (source) =>
      Stream.range(0, source.rows - 1).pipe(
        Stream.grouped(rowsPerRead),
        Stream.mapEffect(source.read),
        Stream.flattenIterable
      )
    )
  )

/** Tokenizes labelled texts. A class is an index into `labels`. */
export const tokenize =
  (
    tokenizer: Pick<TextTokenizer, "encode">,
    {
      maxLength,
      labels
    }: {
      /** maximum tokens per text, including special tokens */
      readonly maxLength: number
      /** the classes in order; a row with another label is an error */
      readonly labels: ReadonlyArray<string>
    }
  ) =>
  <E, R>(rows: Stream.Stream<LabelledText, E, R>): Stream.Stream<Example, E | DataError, R> =>
    Stream.mapArrayEffect(rows, (some) =>
      Effect.map(
        tokenizeRows(some, tokenizer, labels, maxLength),
        (examples) => examples as Arr.NonEmptyReadonlyArray<Example> // as many as there were rows
      )
    )

/** Options for batches of a stream of tokenized rows. */
export interface BatchOptions {
  /** rows per batch */
  readonly size: number
  /** seed of the row order; default 0 */
  readonly seed?: number
  /** batches that are shuffled and sorted by length together; default 8 */
  readonly pool?: number
  /** id of padding tokens; default 0 (padding is masked, so any id works) */
  readonly padId?: number
  /** batch lengths are rounded up to a multiple of this; default 1 */
  readonly padMultiple?: number
}

/**
 * Creates padded batches, shuffled within pools; memory holds one pool. The last pool and its last batch may be
 * smaller.
 */
export const batch =
  ({ size, seed = 0, pool = 8, padId = 0, padMultiple = 1 }: BatchOptions) =>
  <E, R>(examples: Stream.Stream<Example, E, R>): Stream.Stream<TokenRows, E, R> =>
    examples.pipe(
      Stream.grouped(size * pool),
      Stream.zipWithIndex,
      Stream.map(([rows, index]) => {
        const random = randomStream(seed, "pool", index)
        const shuffled = [...rows]
        shuffle(shuffled, random) // else rows of equal length would meet in the same batch whatever the seed
        const padding = { padId, padMultiple, maxLength: Number.POSITIVE_INFINITY }
        return bucketBatches(shuffled, (row) => row.ids.length, size, random).map((rows) => padBatch(rows, padding))
      }),
      Stream.flattenIterable
    )
