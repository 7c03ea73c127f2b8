/**
 * What a checkpoint is on disk: everything of a session but the frozen base, so that a resumed run is the same run, bit for bit.
 *
 *   checkpoints/step-00000100/state.safetensors   trainable.0, … (parameters), start.0, … (what they subtract, where they do),
 *                                                 optimizer.0, … (moments and whatever else), float32
 *                             state.json          { format, step, position, best, name, plan, inputs, trainable, start, optimizer }
 *                             SHA256SUMS          of both files, as sha256sum writes and checks it
 *
 * A folder of this name is whole: it was written under a temporary name, flushed, and renamed. What disks and people do to it
 * afterwards is found by the checksums before anything of it is used.
 */
import * as Schema from "effect/Schema"

export const FORMAT = 1

export const Position = Schema.Struct({ epoch: Schema.Natural, batch: Schema.Natural })

/** The best evaluation so far: by validation loss. */
export const Best = Schema.Struct({ step: Schema.Natural, loss: Schema.Finite })
export type Best = typeof Best.Type

/** SHA-256 of each file that a run reads: the model's, and the splits' by their plan field. */
export const Inputs = Schema.Record(Schema.String, Schema.String)
export type Inputs = typeof Inputs.Type

/** state.json */
export const CheckpointRecord = Schema.Struct({
  format: Schema.Literal(FORMAT),
  step: Schema.Natural,
  /** the batch that comes next */
  position: Position,
  best: Schema.NullOr(Best),
  /** of the run: that of the plan it started from */
  name: Schema.String,
  /** the plan that was trained, as its plan.json says it */
  plan: Schema.Unknown,
  inputs: Inputs,
  /** number of trained tensors */
  trainable: Schema.Natural,
  /** number of tensors that pairs subtract; absent: none */
  start: Schema.optionalKey(Schema.Natural),
  /** the tree of `state-tree.ts` */
  optimizer: Schema.Unknown
})
export type CheckpointRecord = typeof CheckpointRecord.Type

export const files = { tensors: "state.safetensors", record: "state.json", sums: "SHA256SUMS" } as const

/** A checkpoint that is not what was written, or does not fit the session it is for. */
export class CheckpointError extends Schema.TaggedError<CheckpointError>()("CheckpointError", {
  folder: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `the checkpoint ${this.folder} is damaged: ${this.reason}`
  }
}

export const checkpointName = (step: number): string => `step-${String(step).padStart(8, "0")}`

/** The step of a complete checkpoint's folder; undefined for any other name. */
export const stepOf = (name: string): number | undefined =>
  /^step-\d{8,}$/.test(name) ? Number(name.slice("step-".length)) : undefined
