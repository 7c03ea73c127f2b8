/**
 * The checkpoints of a run: when one is written, which are kept, and the newest that is whole.
 *
 * Writing happens beside training: a step waits for the copy off the device, and for the writing of the checkpoint before only
 * where that is not done yet. Kept are the newest `keep` and the one with the best evaluation.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import type { DeviceReadError } from "../tensors/read.ts"
import type { SafetensorsError } from "../tensors/safetensors.ts"
import type { Session } from "../training/index.ts"
import type { FileError } from "./atomic-file.ts"
import { type Best, readCheckpoint, type Snapshot, takeSnapshot, writeCheckpoint } from "./checkpoint.ts"

/** Whose checkpoints they are. */
export interface CheckpointedRun {
  /** the folder of the checkpoints */
  readonly checkpoints: string
  /** the plan as plan.json says it */
  readonly written: unknown
  /** where a resumed run started */
  readonly snapshot: Snapshot | null
}

export interface CheckpointOptions {
  /** steps between checkpoints */
  readonly checkpointEvery: number
  /** newest ones that are kept */
  readonly keep: number
}

export type CheckpointWriteError = FileError | SafetensorsError | DeviceReadError

export interface Checkpoints {
  /** Writes one where the step is due or its evaluation (if there was one) is the best so far. */
  readonly afterStep: (evaluation?: {
    readonly loss: number
  }) => Effect.Effect<void, CheckpointWriteError, FileSystem.FileSystem | Path.Path>
  /** Writes one now, unless this step has one, and waits until everything is written. */
  readonly save: Effect.Effect<void, CheckpointWriteError, FileSystem.FileSystem | Path.Path>
}

/** The checkpoints of a session; what is being written when the scope ends is written to its end. */
export const openCheckpoints = (
  session: Session,
  { checkpoints: folder, written, snapshot: start }: CheckpointedRun,
  { checkpointEvery, keep }: CheckpointOptions
): Effect.Effect<Checkpoints, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    let best: Best | null = start?.best ?? null
    let saved = session.step
    let writing: Fiber.Fiber<void, FileError | SafetensorsError> | undefined
    const settle = Effect.suspend(() => (writing === undefined ? Effect.void : Fiber.join(writing))).pipe(
      Effect.ensuring(Effect.sync(() => (writing = undefined)))
    )
    const write = (snapshot: Snapshot) =>
      writeCheckpoint(snapshot, folder).pipe(
        Effect.andThen(prune(folder, keep, snapshot.best?.step)),
        Effect.uninterruptible
      )
    const begin = Effect.gen(function* () {
      if (session.step === saved) return
      yield* settle
      const snapshot = yield* takeSnapshot(session, best, written)
      saved = session.step
      writing = yield* Effect.forkIn(write(snapshot), scope)
    })
    return {
      afterStep: (evaluation) =>
        Effect.suspend(() => {
          const improved = evaluation !== undefined && (best === null || evaluation.loss < best.loss)
          if (improved) best = { step: session.step, loss: evaluation.loss }
          return improved || session.step % checkpointEvery === 0 ? begin : Effect.void
        }),
      save: Effect.andThen(begin, settle)
    }
  })

const isCheckpoint = (name: string): boolean => /^step-\d{8,}$/.test(name)
const stepOf = (name: string): number => Number(name.slice("step-".length))

/** Names of the complete checkpoints in a folder, oldest first. */
const checkpointsIn = (folder: string): Effect.Effect<ReadonlyArray<string>, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const names = yield* fs.readDirectory(folder).pipe(Effect.orElseSucceed(() => []))
    return names.filter(isCheckpoint).sort((a, b) => stepOf(a) - stepOf(b))
  })

/** Removes all but the newest `keep` and the best one, and what an interrupted write left. Failing to is no failure. */
const prune = (folder: string, keep: number, best: number | undefined) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const complete = yield* checkpointsIn(folder)
    const kept = new Set(complete.slice(-keep))
    const old = complete.filter((name) => !kept.has(name) && stepOf(name) !== best)
    for (const name of old) yield* Effect.ignore(fs.remove(path.join(folder, name), { recursive: true }))
  })

/** Removes what interrupted writes left; for a run that nobody else is writing. */
export const clearTemporary = (folder: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const names = yield* fs.readDirectory(folder).pipe(Effect.orElseSucceed(() => []))
    for (const name of names.filter((candidate) => /\.tmp-\d+$/.test(candidate))) {
      yield* Effect.ignore(fs.remove(path.join(folder, name), { recursive: true }))
    }
  })

export interface Found {
  readonly snapshot: Snapshot | null
  /** a sentence for each newer checkpoint that is damaged */
  readonly damaged: ReadonlyArray<string>
}

/** The newest checkpoint that is whole, and which newer ones are not. */
export const newestCheckpoint = (folder: string): Effect.Effect<Found, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const damaged: Array<string> = []
    for (const name of (yield* checkpointsIn(folder)).toReversed()) {
      const result = yield* Effect.result(readCheckpoint(path.join(folder, name)))
      if (result._tag === "Success") return { snapshot: result.success, damaged }
      damaged.push(result.failure.message)
    }
    return { snapshot: null, damaged }
  })
