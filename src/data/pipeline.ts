/**
 * The parts of a data pipeline as stream operators, to be composed in code; what does not come from a file can enter at
 * any stage. (A plan's own batches are `trainingBatches`: they also shuffle the whole file and resume.)
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

// Rows read at once: enough to make a read worth its while.
const rowsPerRead = 512

/** The rows of a file once, in its order. The whole file is checked before the first row. */
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

/** Labelled texts → examples. A class is an index into `labels`. */
export const tokenize =
  (
    tokenizer: Pick<TextTokenizer, "encode">,
    {
      maxLength,
      labels
    }: {
      /** tokens of a text at most, special tokens included */
      readonly maxLength: number
      /** the classes in their order; a row with another label is an error */
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

/** How a stream of tokenized rows becomes batches. */
export interface BatchOptions {
  /** rows of a batch */
  readonly size: number
  /** seed of the order of the rows; default 0 */
  readonly seed?: number
  /** batches that are shuffled and sorted by length together; 8 unless given */
  readonly pool?: number
  /** 0 unless given: padding is masked, so any id does */
  readonly padId?: number
  /** batch lengths are rounded up to a multiple of this; 1 unless given */
  readonly padMultiple?: number
}

/**
 * Examples → padded batches, shuffled within pools: memory is one pool. The last pool may be smaller, and its last
 * batch.
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
