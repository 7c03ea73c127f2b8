/**
 * Writes a checkpoint of a session in two parts: a snapshot, for which training waits, and its writing, for which it does not (`checkpoints.ts`).
 * For tensors in host memory, the snapshot keeps references, since a step replaces tensors and never writes into one. For other devices it is a
 * copy, because results of a device that may be lost can be trusted only once they are on the host. Either way, each tensor is released once it is
 * written.
 */
import type { Tensor } from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { FileError, fileError, refuseLink, temporaryName } from "../files/index.ts"
import type { Network } from "../models/index.ts"
import { Elsewhere } from "../optimizers/index.ts"
import { type RankError, Ranks } from "../ranks/index.ts"
import { bytesOf, streamSafetensors } from "../safetensors/index.ts"
import {
  type DeviceReadError,
  frozenOf,
  isHostResident,
  readTensor,
  readTogether,
  tensorsOf
} from "../tensors/index.ts"
import { type Session, sharedState } from "../training/index.ts"
import { type CheckpointRecord, checkpointName, FORMAT, files } from "./checkpoint-read.ts"
import { sha256Of } from "./inputs.ts"

/** Contents of a checkpoint in addition to the session's own state. */
type CheckpointContext = Pick<CheckpointRecord, "best" | "name" | "plan" | "inputs" | "versions" | "device" | "rate">

interface HeldTensor {
  readonly shape: ReadonlyArray<number>
  /** Returns the values and releases the tensor. */
  readonly take: Effect.Effect<Float32Array, DeviceReadError>
  readonly release: () => void
}

/** State of a session between two steps. */
export interface Snapshot {
  readonly record: CheckpointRecord
  /** tensors by their names in the file; writing removes each one */
  readonly tensors: Map<string, HeldTensor>
}

/** Returns a second handle of a tensor in host memory, or a copy of another device's. */
const hold = (tensor: Tensor, name: string): Effect.Effect<HeldTensor, DeviceReadError> => {
  const { shape } = tensor
  if (!isHostResident()) {
    return Effect.map(readTensor(tensor, name), (data) => ({
      shape,
      take: Effect.succeed(data as Float32Array),
      release: () => {}
    }))
  }
  const copy = tensor.clone()
  const release = () => copy.dispose()
  const read = readTensor(copy, name) as Effect.Effect<Float32Array, DeviceReadError>
  return Effect.succeed({ shape, take: Effect.ensuring(read, Effect.sync(release)), release })
}

/**
 * Collects, on rank 0, the parts of the optimizer's state that other ranks hold. If ranks share the state, rank 0 receives all parts; the other
 * ranks send theirs and return an empty result.
 */
export const stateOfOthers = ({
  optimizer: { shared },
  optimizerState
}: Session<Network>): Effect.Effect<ReadonlyMap<Elsewhere, Float32Array>, DeviceReadError | RankError> =>
  Effect.gen(function* () {
    const received = new Map<Elsewhere, Float32Array>()
    if (shared === undefined) return received
    const ranks = yield* Ranks
    const heldTensors = ranks.rank === 0 ? [] : shared.held(optimizerState)
    const all = yield* ranks.gather(bytesOf(yield* readTogether(heldTensors, "a part of the optimizer's state")))
    const next = all.map(() => 0)
    for (const tensor of sharedState(optimizerState).tensors) {
      if (!(tensor instanceof Elsewhere) || all.length === 0) continue
      const [{ rank, size }, start] = [tensor, next[tensor.rank]!]
      const bytes = all[rank]!.slice(start, start + 4 * size)
      received.set(tensor, new Float32Array(bytes.buffer))
      next[rank] = start + 4 * size
    }
    return received
  })

/**
 * Takes a snapshot of a session's state, the only part of a checkpoint that the training loop waits for. The snapshot must be written or released.
 * If ranks share the state, all of them must call this, and rank 0 holds the whole state.
 */
export const takeSnapshot = (
  session: Session<Network>,
  context: CheckpointContext
): Effect.Effect<Snapshot, DeviceReadError | RankError> =>
  Effect.gen(function* () {
    const tensors: Snapshot["tensors"] = new Map()
    const take = (tensor: Tensor, name: string) =>
      Effect.map(hold(tensor, name), (heldTensor) => {
        tensors.set(name, heldTensor)
      })
    const trainable = tensorsOf(session.adapted.trainable)
    const frozen = frozenOf(session.adapted.trainable)
    const state = sharedState(session.optimizerState)
    yield* Effect.forEach(trainable, (tensor, i) => take(tensor, `trainable.${i}`))
    yield* Effect.forEach(frozen, (tensor, i) => take(tensor, `start.${i}`))
    const received = yield* stateOfOthers(session)
    yield* Effect.forEach(state.tensors, (tensor, i) => {
      const name = `optimizer.${i}`
      if (!(tensor instanceof Elsewhere)) return take(tensor, name)
      const data = received.get(tensor)
      if (data !== undefined) tensors.set(name, { shape: tensor.shape, take: Effect.succeed(data), release: () => {} })
      return Effect.void
    })
    const { step, position } = session
    const { ranks } = session.adapted.selected
    const counts = { trainable: trainable.length, ...(frozen.length === 0 ? {} : { start: frozen.length }) }
    const decided = { ...context, ...(ranks === undefined ? {} : { ranks }) }
    return { record: { format: FORMAT, step, position, ...decided, ...counts, optimizer: state.tree }, tensors }
  })

/** Releases the remaining tensors of a snapshot. */
export const releaseSnapshot = ({ tensors }: Snapshot): void => {
  for (const { release } of tensors.values()) release()
  tensors.clear()
}

/**
 * Writes a snapshot as `<folder>/step-…` and consumes it. Creates the folder of the checkpoints if it is missing, but not the run folder. After
 * success the checkpoint is complete and survives a loss of power.
 */
export const writeCheckpoint = (
  snapshot: Snapshot,
  folder: string
): Effect.Effect<string, FileError | DeviceReadError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const { record, tensors } = snapshot
    const target = path.join(folder, checkpointName(record.step))
    const temporary = temporaryName(target)
    const write = Effect.gen(function* () {
      yield* refuseLink(folder)
      // not recursive: a run folder that was removed during the run is not made again
      if (!(yield* fs.exists(folder))) yield* fs.makeDirectory(folder)
      yield* fs.remove(temporary, { recursive: true, force: true })
      yield* fs.makeDirectory(temporary)
      yield* writeTensors(path.join(temporary, files.tensors), tensors)
      yield* writeFlushed(path.join(temporary, files.record), JSON.stringify(record))
      yield* writeFlushed(path.join(temporary, files.sums), yield* checksums(temporary))
      yield* flush(temporary)
      yield* fs.remove(target, { recursive: true, force: true })
      yield* fs.rename(temporary, target)
      yield* flush(folder)
    })
    yield* write.pipe(
      Effect.catchTags({
        PlatformError: (error) => Effect.fail(fileError("write", target)(error)),
        SafetensorsError: ({ problems }) =>
          Effect.fail(new FileError({ action: "write", file: target, reason: `${files.tensors} ${problems[0]}` }))
      }),
      Effect.onError(() => Effect.ignore(fs.remove(temporary, { recursive: true, force: true })))
    )
    return target
  }).pipe(
    Effect.ensuring(Effect.sync(() => releaseSnapshot(snapshot))),
    Effect.withSpan("checkpoint", { attributes: { step: snapshot.record.step } })
  )

const writeTensors = (file: string, tensors: Snapshot["tensors"]) =>
  streamSafetensors(
    file,
    new Map([...tensors].map(([name, { shape }]) => [name, { dtype: "F32", shape } as const])),
    (name) =>
      Effect.suspend(() => {
        const { take } = tensors.get(name)!
        tensors.delete(name)
        return Effect.map(take, bytesOf)
      })
  )

const checksums = (folder: string) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const line = (name: string) => Effect.map(sha256Of(path.join(folder, name)), (hash) => `${hash}  ${name}\n`)
    return (yield* Effect.forEach([files.record, files.tensors], line)).join("")
  })

const writeFlushed = (file: string, text: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const handle = yield* fs.open(file, { flag: "wx" })
      yield* handle.writeAll(new TextEncoder().encode(text))
      yield* handle.sync
    })
  )

/**
 * Flushes a file, or the renames in a folder, to disk, so that they survive a loss of power. Does nothing if the file is missing or the system
 * cannot flush folders.
 */
export const flush = (file: string): Effect.Effect<void, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const handle = yield* fs.open(file, { flag: "r" })
    yield* handle.sync
  }).pipe(Effect.scoped, Effect.ignore)
