/**
 * The rows that a classifier got wrong and was surest of: what a reader looks at first, in a model or in its labels.
 *
 * Kept while batches pass by, so that memory does not grow with the split; texts are read once, at the end.
 */
import * as Effect from "effect/Effect"
import type { ClassificationSplit, DataError } from "../data/index.ts"
import type { ClassifiedRows, ScoredBatch } from "./evaluation.ts"

export interface Mistake {
  /** the row's place: `test.jsonl:12` */
  readonly where: string
  /** at most 500 characters of it */
  readonly text: string
  readonly label: string
  readonly predicted: string
  /** softmax probability of `predicted` */
  readonly probability: number
}

/** Rows that know which of their split they are. */
interface PlacedRows extends ClassifiedRows {
  readonly rows: Uint32Array // [size]
}

export interface Mistakes {
  readonly add: (scored: ScoredBatch<PlacedRows>) => void
  /** The kept ones, most confident first, with their texts. */
  readonly read: Effect.Effect<ReadonlyArray<Mistake>, DataError>
}

// A report is looked at, not searched: a long document's first lines say which one it is.
const CHARACTERS = 500

/** Keeps the `limit` most confident mistakes on `split`. */
export const keepMistakes = (split: ClassificationSplit, limit: number): Mistakes => {
  let kept: ReadonlyArray<{ readonly row: number; readonly predicted: number; readonly probability: number }> = []
  return {
    add: ({ batch, predicted, probabilities }) => {
      const wrong = Array.from(batch.rows, (row, i) => ({ i, row })).filter(({ i }) => predicted[i] !== batch.labels[i])
      const found = wrong.map(({ i, row }) => ({ row, predicted: predicted[i]!, probability: probabilities[i]! }))
      // equal probabilities in the order of the rows: the list does not depend on how batches were sorted
      kept = [...kept, ...found].sort((a, b) => b.probability - a.probability || a.row - b.row).slice(0, limit)
    },
    read: Effect.suspend(() =>
      Effect.map(split.read(kept.map(({ row }) => row)), (rows) =>
        rows.map(({ where, text, label }, i) => {
          const { predicted, probability } = kept[i]!
          return { where, text: shortened(text), label, predicted: split.labels[predicted]!, probability }
        })
      )
    )
  }
}

const shortened = (text: string): string => {
  const characters = [...text.slice(0, 2 * CHARACTERS + 2)]
  return characters.length > CHARACTERS ? `${characters.slice(0, CHARACTERS).join("")}…` : text
}
