/**
 * Does the merged model compute what the run computed? Two sets of logits of the same rows, in three numbers.
 */
import type * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Device } from "../device/index.ts"
import type { TensorCounts } from "./merged-tensors.ts"

/**
 * Largest |Δlogit| over the largest |logit| that a merge may have. The adapted layer computes x·Wᵀ + s·(xAᵀ)Bᵀ, the merged one
 * x·(W + s·BA)ᵀ: in float32 that is a matter of rounding, some 1e-6 after 2 to 12 layers. A tensor left out, a wrong scale or a
 * swapped head shows at 1e-2 and more. The bound is between the two.
 */
export const MERGE_BOUND = 1e-4

interface LogitsComparison {
  readonly rows: number
  /** of the unmerged model */
  readonly largestLogit: number
  readonly largestDifference: number
  /** largestDifference / largestLogit; 0 where both models say 0 throughout */
  readonly relativeDifference: number
  /** rows whose label is the same */
  readonly sameLabel: number
}

export interface MergeCheck extends LogitsComparison {
  /** where the rows came from */
  readonly split: "validation" | "test" | "train"
  readonly bound: number
}

/** Rows that the two models are compared on: as many as are read in a moment, of rows that were not trained on where there are any. */
export const CHECKED_ROWS = 200

/** The split whose rows are compared. */
export const checkedSplit = (
  splits: {
    readonly [S in "validation" | "test"]?: unknown
  }
): MergeCheck["split"] => (["validation", "test"] as const).find((name) => splits[name] !== undefined) ?? "train"

/** A merged model on disk, and what is needed to compare it with the run after that has left the device. */
export interface WrittenModel {
  /** numbers in a row of logits: classes, or tokens of the vocabulary */
  readonly classes: number
  readonly split: MergeCheck["split"]
  /** logits [rows, classes] of the run on rows of the split */
  readonly unmerged: Float32Array
  /** the same of the model in the folder */
  readonly merged: Effect.Effect<
    Float32Array,
    { readonly _tag: string; readonly message: string },
    Device | FileSystem.FileSystem | Path.Path | Scope.Scope
  >
  readonly counts: TensorCounts
  readonly readme: (check: MergeCheck) => string
}

/** `unmerged`, `merged`: logits [rows, classes], row-major. A difference that is not a number counts as infinite. */
export const compareLogits = (unmerged: Float32Array, merged: Float32Array, classes: number): LogitsComparison => {
  let largestLogit = 0
  let largestDifference = 0
  for (let i = 0; i < unmerged.length; i++) {
    const difference = Math.abs(merged[i]! - unmerged[i]!)
    largestLogit = Math.max(largestLogit, Math.abs(unmerged[i]!))
    largestDifference = Math.max(largestDifference, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference)
  }
  const rows = unmerged.length / classes
  const best = (logits: Float32Array, row: number) => {
    const own = logits.subarray(row * classes, (row + 1) * classes)
    return own.indexOf(Math.max(...own))
  }
  let sameLabel = 0
  for (let row = 0; row < rows; row++) if (best(unmerged, row) === best(merged, row)) sameLabel++
  const relativeDifference = largestDifference === 0 ? 0 : largestDifference / largestLogit
  return { rows, largestLogit, largestDifference, relativeDifference, sameLabel }
}

export class MergeRefused extends Schema.TaggedError<MergeRefused>()("MergeRefused", {
  run: Schema.String,
  split: Schema.String,
  rows: Schema.Int,
  largestLogit: Schema.Number,
  largestDifference: Schema.Number,
  relativeDifference: Schema.Number,
  bound: Schema.Number
}) {
  override get message() {
    const { largestDifference, largestLogit, relativeDifference, bound } = this
    return `${this.run}: the merged model is not the trained one: on ${this.rows} ${this.split} rows its logits differ by up to ${largestDifference.toPrecision(3)}, with ${largestLogit.toPrecision(3)} the largest logit (${relativeDifference.toExponential(1)} of it, allowed is ${bound.toExponential(0)}); nothing was written. Merge on another device (--device wasm or cpu); if it is refused there too, the adapter method's merge is wrong`
  }
}
