/** A part of the data (train, validation, test) with the classes that its labels stand for. */
import type { LabelledTextSource } from "./source.ts"

export interface ClassificationSplit extends LabelledTextSource {
  /** the label of every class; a class is an index into this list */
  readonly labels: ReadonlyArray<string>
  /** rows of each class; absent where a source was not scanned */
  readonly classCounts?: ReadonlyArray<number>
}

/**
 * Makes any source a split.
 *
 * @example
 * const train = classificationSplit(fromRows([{ text: "a fine film", label: "positive" }]), ["negative", "positive"])
 */
export const classificationSplit = (
  source: LabelledTextSource,
  labels: ReadonlyArray<string>,
  classCounts?: ReadonlyArray<number>
): ClassificationSplit => ({
  rows: source.rows,
  where: source.where,
  read: source.read,
  labels,
  ...(classCounts === undefined ? {} : { classCounts })
})
