/**
 * A checkpoint: everything of a session but the frozen base, so that a resumed run is the same run, bit for bit.
 *
 *   checkpoints/step-00000100/state.safetensors   trainable.0, … (parameters), optimizer.0, … (moments and whatever else), float32
 *                             state.json          { format, step, position, best, plan, shapes, optimizer, sha256 }
 *
 * The folder is written under a temporary name, flushed, and renamed: it is there whole or not at all. state.json carries the
 * tensors' SHA-256 and is itself checked by its schema, so that a damaged checkpoint is known before anything of it is used.
 */
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { type DeviceReadError, readTensor } from "../tensors/read.ts"
import { type HostTensor, readTensors, type SafetensorsError, writeSafetensors } from "../tensors/safetensors.ts"
import { tensorsOf, withTensors } from "../tensors/trainable.ts"
import type { Session } from "../training/index.ts"
import { restoredState, type StoredState, storedState } from "../training/state-tree.ts"
import { type FileError, fileError } from "./atomic-file.ts"
import { sha256Of } from "./sha256.ts"

const FORMAT = 1

const Position = Schema.Struct({ epoch: Schema.Natural, batch: Schema.Natural })

/** The best evaluation so far: by validation loss. */
export const Best = Schema.Struct({ step: Schema.Natural, loss: Schema.Finite })
export type Best = typeof Best.Type

const CheckpointRecord = Schema.Struct({
  format: Schema.Literal(FORMAT),
  step: Schema.Natural,
  position: Position,
  best: Schema.NullOr(Best),
  /** the plan that was trained, as its plan.json says it */
  plan: Schema.Unknown,
  trainable: Schema.Natural,
  optimizer: Schema.Unknown,
  sha256: Schema.String
})

export class CheckpointError extends Schema.TaggedError<CheckpointError>()("CheckpointError", {
  folder: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `the checkpoint ${this.folder} is damaged: ${this.reason}`
  }
}

/** A session's state on the host, taken between two steps. */
export interface Snapshot {
  readonly step: number
  readonly position: typeof Position.Type
  readonly best: Best | null
  readonly plan: unknown
  readonly trainable: ReadonlyArray<HostTensor>
  readonly optimizer: { readonly tree: StoredState; readonly tensors: ReadonlyArray<HostTensor> }
}

/** Copies a session's state off the device: the only part of a checkpoint that the training loop waits for. */
export const takeSnapshot = (
  session: Session,
  best: Best | null,
  plan: unknown
): Effect.Effect<Snapshot, DeviceReadError> =>
  Effect.gen(function* () {
    const copy = (tensor: tf.Tensor, what: string) =>
      Effect.map(readTensor(tensor, what), (data): HostTensor => ({ shape: tensor.shape, data: data as Float32Array }))
    const state = storedState(session.optimizerState)
    return {
      step: session.step,
      position: session.position,
      best,
      plan,
      trainable: yield* Effect.forEach(tensorsOf(session.adapted.trainable), (t) => copy(t, "a trained parameter")),
      optimizer: {
        tree: state.tree,
        tensors: yield* Effect.forEach(state.tensors, (t) => copy(t, "the optimizer's state"))
      }
    }
  })

/** Puts a snapshot in place of what the session holds. */
export const restoreSnapshot = (session: Session, snapshot: Snapshot): Effect.Effect<void> =>
  Effect.sync(() => {
    const upload = ({ data, shape }: HostTensor) => tf.tensor(data, [...shape], "float32")
    const { adapted } = session
    const before = [...tensorsOf(adapted.trainable)]
    adapted.trainable = withTensors(adapted.trainable, snapshot.trainable.map(upload))
    tf.dispose([...before, ...storedState(session.optimizerState).tensors])
    session.optimizerState = restoredState(snapshot.optimizer.tree, snapshot.optimizer.tensors.map(upload))
    session.step = snapshot.step
    session.position = snapshot.position
  })

export const checkpointName = (step: number): string => `step-${String(step).padStart(8, "0")}`

type WriteError = FileError | SafetensorsError

/** Writes a snapshot as `<folder>/step-…`; the folder is there whole when this succeeds. */
export const writeCheckpoint = (
  snapshot: Snapshot,
  folder: string
): Effect.Effect<string, WriteError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const target = path.join(folder, checkpointName(snapshot.step))
    const temporary = `${target}.tmp-${process.pid}`
    const write = Effect.gen(function* () {
      yield* fs.makeDirectory(temporary, { recursive: true })
      const tensors = path.join(temporary, "state.safetensors")
      yield* writeSafetensors(tensors, namedTensors(snapshot))
      const record: typeof CheckpointRecord.Type = {
        format: FORMAT,
        step: snapshot.step,
        position: snapshot.position,
        best: snapshot.best,
        plan: snapshot.plan,
        trainable: snapshot.trainable.length,
        optimizer: snapshot.optimizer.tree,
        sha256: yield* sha256Of(tensors)
      }
      yield* writeFlushed(path.join(temporary, "state.json"), JSON.stringify(record))
      // one that a run wrote before it was resumed from an older one
      yield* fs.remove(target, { recursive: true, force: true })
      yield* fs.rename(temporary, target)
    })
    yield* write.pipe(
      Effect.catchTag("PlatformError", (error) => Effect.fail(fileError("write", target)(error))),
      Effect.onError(() => Effect.ignore(fs.remove(temporary, { recursive: true, force: true })))
    )
    return target
  })

/** Reads and verifies a checkpoint. Everything that can be wrong with its files is a CheckpointError. */
export const readCheckpoint = (
  folder: string
): Effect.Effect<Snapshot, CheckpointError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const file = path.join(folder, "state.safetensors")
    const text = yield* fs.readFileString(path.join(folder, "state.json"))
    const record = yield* Schema.decodeUnknownEffect(Schema.fromJsonString(CheckpointRecord))(text)
    if ((yield* sha256Of(file)) !== record.sha256) {
      return yield* new CheckpointError({
        folder,
        reason: "state.safetensors has another SHA-256 than state.json says"
      })
    }
    const tensors = yield* readTensors(file)
    const list = (prefix: string): ReadonlyArray<HostTensor> => {
      const found: Array<HostTensor> = []
      for (let i = 0; ; i++) {
        const tensor = tensors.get(`${prefix}.${i}`)
        if (tensor === undefined) return found
        found.push(tensor)
      }
    }
    const trainable = list("trainable")
    if (trainable.length !== record.trainable) {
      const reason = `it holds ${trainable.length} of ${record.trainable} trained tensors`
      return yield* new CheckpointError({ folder, reason })
    }
    const { step, position, best, plan } = record
    const optimizer = { tree: record.optimizer as StoredState, tensors: list("optimizer") }
    return { step, position, best, plan, trainable, optimizer }
  }).pipe(
    Effect.mapError((error) =>
      error._tag === "CheckpointError" ? error : new CheckpointError({ folder, reason: error.message.split("\n")[0]! })
    )
  )

const namedTensors = ({ trainable, optimizer }: Snapshot): Readonly<Record<string, HostTensor>> =>
  Object.fromEntries([
    ...trainable.map((tensor, i) => [`trainable.${i}`, tensor] as const),
    ...optimizer.tensors.map((tensor, i) => [`optimizer.${i}`, tensor] as const)
  ])

const writeFlushed = (file: string, text: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const handle = yield* fs.open(file, { flag: "w" })
      yield* handle.writeAll(new TextEncoder().encode(text))
      yield* handle.sync
    })
  )
