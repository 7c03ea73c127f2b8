/**
 * A checkpoint on disk: the whole session except the frozen base, so that a resumed run is bit-for-bit identical.
 *
 *   checkpoints/step-00000100/state.safetensors   trainable.0, … (parameters), start.0, … (what they subtract, where they do),
 *                                                 optimizer.0, … (moments and whatever else), float32
 *                             state.json          { format, step, position, best, name, plan, inputs, versions, device, trainable, start, optimizer }
 *                             SHA256SUMS          of both files, as sha256sum writes and checks it
 *
 * A folder of this name is complete: it was written under a temporary name, flushed, and renamed. Later damage is detected by the checksums before
 * any of its contents are used.
 *
 * A checkpoint is verified when it is found. Its tensors are read when they are needed, one at a time, from the file to the device: the host never
 * holds a second copy of the whole state.
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import type { Adapted } from "../../adapters/index.ts"
import { cut } from "../boundary/index.ts"
import { readJsonFile, readTextFile } from "../files/index.ts"
import { stateTensor } from "../kernels/index.ts"
import type { Network } from "../models/index.ts"
import { Elsewhere, layoutAt, tensorsWithin } from "../optimizers/index.ts"
import { RankError } from "../ranks/index.ts"
import { readHeader, type StoredTensor } from "../safetensors/index.ts"
import { frozenOf, tensorsOf, withFrozen, withTensors } from "../tensors/index.ts"
import {
  FoundRate,
  restoredState,
  type Session,
  type StoredState,
  sharedState,
  stateProblem
} from "../training/index.ts"
import { Inputs, sha256Of } from "./inputs.ts"
import { forEachTensorOfFirst } from "./tensors-of-first.ts"
import { Versions } from "./versions.ts"

export const FORMAT = 1

export const Position = Schema.Struct({ epoch: Schema.Natural, batch: Schema.Natural })

/** Best evaluation so far, by the metric that the run monitors. */
export const Best = Schema.Struct({ step: Schema.Natural, loss: Schema.Finite })
export type Best = typeof Best.Type

/** Ranks by layer, as in `Selected.ranks`. */
export const Ranks = Schema.Record(Schema.String, Schema.Natural)

/** Contents of state.json. */
export const CheckpointRecord = Schema.Struct({
  format: Schema.Literal(FORMAT),
  step: Schema.Natural,
  /** position of the next batch */
  position: Position,
  best: Schema.NullOr(Best),
  /** name of the run, from the plan that it started with */
  name: Schema.String,
  /** the trained plan, as written to plan.json */
  plan: Schema.Unknown,
  inputs: Inputs,
  versions: Schema.optionalKey(Versions),
  /** device that computed the state, such as "wasm" or "native avx512" */
  device: Schema.optionalKey(Schema.String),
  /** rank of each selected layer, as the initialization chose it; absent: the plan's ranks */
  ranks: Schema.optionalKey(Ranks),
  /** learning rate found by the run, if the plan left it open */
  rate: Schema.optionalKey(FoundRate),
  /** number of trained tensors */
  trainable: Schema.Natural,
  /** number of tensors that pairs subtract; absent: zero */
  start: Schema.optionalKey(Schema.Natural),
  /** tree of the optimizer's state, in the format of `state-tree.ts` */
  optimizer: Schema.Unknown
})
export type CheckpointRecord = typeof CheckpointRecord.Type

export const files = { tensors: "state.safetensors", record: "state.json", sums: "SHA256SUMS" } as const

/** A damaged checkpoint: its files differ from what was written. */
export class CheckpointError extends Schema.TaggedError<CheckpointError>()("CheckpointError", {
  /** the checkpoint's folder */
  folder: Schema.String,
  /** damage, as the end of a sentence */
  reason: Schema.String
}) {
  override get message() {
    return `the checkpoint ${this.folder} is damaged: ${this.reason}`
  }
}

/** A checkpoint of another model, another optimizer, or another number of steps. */
export class CheckpointMisfit extends Schema.TaggedError<CheckpointMisfit>()("CheckpointMisfit", {
  /** the checkpoint's folder */
  folder: Schema.String,
  /** reason, as the end of a sentence */
  reason: Schema.String
}) {
  override get message() {
    return `the checkpoint ${this.folder} does not fit the model and the optimizer of this plan, and is left unchanged: ${this.reason}`
  }
}

export const checkpointName = (step: number): string => `step-${String(step).padStart(8, "0")}`

/** Returns the step of a complete checkpoint's folder, or undefined for any other name. */
export const stepOf = (name: string): number | undefined =>
  /^step-\d{8,}$/.test(name) ? Number(name.slice("step-".length)) : undefined

/** A checkpoint that was intact when it was read. */
export interface StoredCheckpoint {
  /** the checkpoint's folder */
  readonly folder: string
  /** contents of its state.json */
  readonly record: CheckpointRecord
  /** trained parameters, the tensors that they subtract, and the optimizer's tensors, each list in file order */
  readonly trainable: ReadonlyArray<StoredTensor>
  readonly start: ReadonlyArray<StoredTensor>
  readonly optimizer: ReadonlyArray<StoredTensor>
}

type Read<A> = Effect.Effect<A, CheckpointError, FileSystem.FileSystem | Path.Path>

/** Reads and verifies a checkpoint, without its tensor values. Fails with a CheckpointError for anything invalid. */
export const readCheckpoint = (folder: string): Read<StoredCheckpoint> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    yield* verify(folder)
    const record = yield* readRecord(folder)
    const { tensors } = yield* readHeader(path.join(folder, files.tensors))
    const list = (prefix: string): ReadonlyArray<StoredTensor> => {
      const stored: Array<StoredTensor> = []
      for (;;) {
        const tensor = tensors.get(`${prefix}.${stored.length}`)
        if (tensor === undefined) return stored
        stored.push(tensor)
      }
    }
    const stored = {
      folder,
      record,
      trainable: list("trainable"),
      start: list("start"),
      optimizer: list("optimizer")
    }
    const { trainable, start, optimizer } = stored
    if (trainable.length !== record.trainable)
      return yield* damaged(folder, `it holds ${trainable.length} of ${record.trainable} trained tensors`)
    if (start.length !== (record.start ?? 0))
      return yield* damaged(folder, `it holds ${start.length} of ${record.start ?? 0} frozen tensors`)
    const usedTensors = new Set([...trainable, ...start, ...optimizer])
    for (const tensor of tensors.values()) {
      const { name, dtype } = tensor
      if (!usedTensors.has(tensor))
        return yield* damaged(folder, `${files.tensors} holds ${cut(name)}, which is not part of a checkpoint`)
      if (dtype !== "F32") return yield* damaged(folder, `tensor ${name} is of type ${dtype}, expected F32`)
    }
    return stored
  }).pipe(asCheckpointError(folder))

/**
 * Replaces the session's state with a checkpoint's. If it does not fit, fails and leaves the session unchanged; if its file can no longer be read,
 * the session must not be used again.
 */
export const restoreCheckpoint = (
  session: Session<Network>,
  { folder, record, trainable, start, optimizer }: StoredCheckpoint
): Effect.Effect<void, CheckpointError | CheckpointMisfit | RankError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const { adapted } = session
    const current = tensorsOf(adapted.trainable)
    const frozen = frozenOf(adapted.trainable)
    yield* mustFit(folder, "trained", current, trainable)
    yield* mustFit(folder, "frozen", frozen, start)
    const layout = layoutAt(session.optimizer, session.initialLayout, adapted.trainable, record.step)
    const problem = placeProblem(session, record) ?? stateProblem(layout, record.optimizer, optimizer, record.step)
    if (problem !== undefined) return yield* new CheckpointMisfit({ folder, reason: problem })
    // first, so that the old state and the new one are not there together
    tf.dispose([...current, ...frozen, ...tensorsWithin(session.optimizerState)])
    session.optimizerState = null
    /** Returns the optimizer's state with these tensors, in this rank's layout. */
    const stateWith = (tensors: ReadonlyArray<tf.Tensor | Elsewhere>) => {
      const restored = restoredState(record.optimizer as StoredState, tensors)
      return session.optimizer.shared?.keep(restored, adapted.trainable) ?? restored
    }
    // what other ranks hold is not uploaded: together it may be more than there is room for
    const places = optimizer.map(({ shape }) => new Elsewhere(0, shape))
    const shared = new Set(sharedState(stateWith(places)).tensors)
    const unshared = new Set(optimizer.filter((_, i) => !shared.has(places[i]!)))
    const uploaded = yield* uploadedTensors(
      folder,
      [...trainable, ...start, ...optimizer],
      (tensor) => !unshared.has(tensor)
    )
    adapted.trainable = withFrozen(
      withTensors(adapted.trainable, tensorsFrom(uploaded, trainable)),
      tensorsFrom(uploaded, start)
    )
    session.optimizerState = stateWith(optimizer.map(({ name }, i) => uploaded.get(name) ?? places[i]!))
    session.step = record.step
    session.position = record.position
  })

/** Replaces the trained tensors of a model with those of a checkpoint. The session's state and position stay unchanged. */
export const restoreTrained = (
  adapted: Adapted<Network>,
  { folder, trainable }: StoredCheckpoint
): Effect.Effect<void, CheckpointError | CheckpointMisfit | RankError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const current = tensorsOf(adapted.trainable)
    yield* mustFit(folder, "trained", current, trainable)
    const uploaded = yield* uploadedTensors(folder, trainable)
    adapted.trainable = withTensors(adapted.trainable, tensorsFrom(uploaded, trainable))
    tf.dispose([...current])
  })

/** Uploads tensors by name, one at a time, from rank 0's file to the device of every rank that needs them. */
const uploadedTensors = (
  folder: string,
  stored: ReadonlyArray<StoredTensor>,
  isWanted: (tensor: StoredTensor) => boolean = () => true
) =>
  Effect.gen(function* () {
    const uploaded = new Map<string, tf.Tensor>()
    yield* forEachTensorOfFirst(stored, ({ data, shape }, tensor) =>
      Effect.sync(() => {
        if (!isWanted(tensor)) return
        const upload = tensor.name.startsWith("optimizer.") ? stateTensor : tf.tensor
        uploaded.set(tensor.name, upload(data, [...shape]))
      })
    ).pipe(Effect.mapError((error) => (error instanceof RankError ? error : unreadable(folder, error))))
    return uploaded
  })

const tensorsFrom = (uploaded: ReadonlyMap<string, tf.Tensor>, stored: ReadonlyArray<StoredTensor>) =>
  stored.map(({ name }) => uploaded.get(name)!)

const placeProblem = ({ accumulate }: Session<Network>, { step, position, best }: CheckpointRecord) => {
  // every epoch has a batch; the numbers of batches may leap
  if (position.epoch > step * accumulate) return `step ${step} is not in epoch ${position.epoch}`
  return best !== null && best.step > step
    ? `the best evaluation is from step ${best.step}, after step ${step}`
    : undefined
}

const damaged = (folder: string, reason: string) => new CheckpointError({ folder, reason })

/** Converts any read failure to a CheckpointError. */
const asCheckpointError =
  (folder: string) =>
  <A, E extends { readonly message: string }, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.mapError(effect, (error) => unreadable(folder, error))

const unreadable = (folder: string, error: { readonly message: string }) =>
  error instanceof CheckpointError ? error : damaged(folder, error.message.split("\n")[0]!)

/** Compares both files with SHA256SUMS. */
const verify = (folder: string) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const sums = yield* readTextFile(path.join(folder, files.sums), 4096)
    for (const name of [files.record, files.tensors]) {
      const expected = new RegExp(`^([0-9a-f]{64}) {2}${name.replace(".", "\\.")}$`, "m").exec(sums)?.[1]
      const checksum = yield* sha256Of(path.join(folder, name)).pipe(
        Effect.mapError(({ reason }) => damaged(folder, `${name}: ${reason}`))
      )
      if (checksum === expected) continue
      return yield* damaged(folder, `${name} has a different SHA-256 than ${files.sums} says`)
    }
  })

const readRecord = (folder: string) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const json = yield* readJsonFile(path.join(folder, files.record)).pipe(
      Effect.mapError(({ reason }) => damaged(folder, `${files.record} ${reason}`))
    )
    return yield* Schema.decodeUnknownEffect(CheckpointRecord)(json)
  })

const mustFit = (
  folder: string,
  kind: "trained" | "frozen",
  current: ReadonlyArray<tf.Tensor>,
  stored: ReadonlyArray<StoredTensor>
) => {
  const shapes = (list: ReadonlyArray<{ readonly shape: ReadonlyArray<number> }>) =>
    list.map(({ shape }) => cut(`[${shape}]`))
  const [expected, storedShapes] = [shapes(current), shapes(stored)]
  const at = expected.findIndex((shape, i) => shape !== storedShapes[i])
  if (at < 0 && expected.length === storedShapes.length) return Effect.void
  const reason =
    expected.length === storedShapes.length
      ? `${kind} tensor ${at} has shape ${storedShapes[at]}, the model's has ${expected[at]}`
      : `it holds ${storedShapes.length} ${kind} tensors, the model has ${expected.length}`
  return Effect.fail(new CheckpointMisfit({ folder, reason }))
}
