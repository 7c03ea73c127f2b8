/** What merging writes, whatever the model, and what is then checked of it. */
import type * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import type { Device } from "./device/index.ts"
import type { MergeCheck, TensorCounts } from "./output/index.ts"
import type { Told } from "./tasks/task.ts"

/** Rows that the two models are compared on: as many as are read in a moment, of rows that were not trained on where there are any. */
export const CHECKED_ROWS = 200

/** A merged model on disk, and what is needed to hold it against the run after that has left the device. */
export interface WrittenModel {
  /** numbers in a row of logits: classes, or tokens of the vocabulary */
  readonly classes: number
  readonly split: MergeCheck["split"]
  /** logits [rows, classes] of the run on rows of the split */
  readonly unmerged: Float32Array
  /** the same of the model in the folder */
  readonly merged: Effect.Effect<Float32Array, Told, Device | FileSystem.FileSystem | Path.Path | Scope.Scope>
  readonly counts: TensorCounts
  readonly readme: (check: MergeCheck) => string
}
