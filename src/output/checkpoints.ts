/**
 * The checkpoints of a run: when one is written, which are kept, and which is the newest intact one.
 *
 * Checkpoints are written in parallel with training: a step waits for the snapshot, and for the previous checkpoint only if it is still being
 * written. The newest `keep` checkpoints and the one with the best evaluation are kept.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import type { Adapted } from "../../adapters/index.ts"
import type { DeviceError } from "../device/index.ts"
import { type FileError, isLeftover, ownNumber, refuseLink, temporaryName } from "../files/index.ts"
import type { Network } from "../models/index.ts"
import { milliseconds } from "../progress/index.ts"
import { onFirst, type RankError, Ranks } from "../ranks/index.ts"
import type { DeviceReadError } from "../tensors/index.ts"
import type { FoundRate, Session } from "../training/index.ts"
import {
  type Best,
  checkpointName,
  readCheckpoint,
  restoreTrained,
  type StoredCheckpoint,
  stepOf
} from "./checkpoint-read.ts"
import {
  flush,
  releaseSnapshot,
  type Snapshot,
  stateOfOthers,
  takeSnapshot,
  writeCheckpoint
} from "./checkpoint-write.ts"
import type { Inputs } from "./inputs.ts"
import type { RunFolder } from "./run-folder.ts"
import { versions } from "./versions.ts"

/** Run to which checkpoints belong. */
export interface CheckpointedRun {
  readonly name: string
  /** the folder of the checkpoints */
  readonly checkpoints: string
  readonly metrics: string
  /** the plan, as written to plan.json */
  readonly recordedPlan: unknown
  readonly inputs: Inputs
  /** checkpoint from which a resumed run started; null: none */
  readonly checkpoint: StoredCheckpoint | null
}

export interface CheckpointOptions {
  /** steps between checkpoints */
  readonly checkpointEvery: number
  /** number of the newest checkpoints to keep */
  readonly keep: number
  /** fails if the values of a checkpoint cannot be trusted */
  readonly sync?: Effect.Effect<void, DeviceError | FileError>
  /** the device's name, as a checkpoint records it */
  readonly device?: string
  /** learning rate found for this run */
  readonly rate?: FoundRate | undefined
}

type CheckpointWriteError = FileError | DeviceReadError | DeviceError | RankError

type Write = Effect.Effect<void, CheckpointWriteError, FileSystem.FileSystem | Path.Path>

/** Checkpoints of a training run, written while it trains. The newest ones are kept. */
export interface Checkpoints {
  /** Begins a checkpoint if the step is due or the best so far. `soFar`: the best evaluation. Fails if the previous write failed. */
  readonly afterStep: (soFar?: Best | null) => Write
  /** Writes a checkpoint of this step, unless it has one, and waits until everything is written. */
  readonly save: Write
  /** Waits until all checkpoints in progress are written. */
  readonly settle: Write
  /** step of the newest checkpoint on disk; 0: there is no checkpoint yet */
  readonly saved: () => number
}

/** Share of the time between steps that writing gets. */
const SHARE = 0.1
/** Minimum in milliseconds: a timer is late by one. */
const LEAST = 5

/**
 * Opens the checkpoints of a session. A write in progress finishes before the scope ends. Every rank of a run must call its methods at the same
 * steps; rank 0 writes.
 */
export const openCheckpoints = (
  session: Session<Network>,
  { checkpoints: folder, metrics, name, recordedPlan: plan, inputs, checkpoint: start }: CheckpointedRun,
  { checkpointEvery, keep, sync = Effect.void, device, rate }: CheckpointOptions
): Effect.Effect<Checkpoints, never, Scope.Scope | FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const writes = (yield* Ranks).rank === 0
    // the run before may have ended between a checkpoint's writing and the removal of an old one
    if (start !== null && writes) yield* prune(folder, keep, start.record.best?.step)
    const jobs = yield* oneAtATime<FileError | DeviceReadError>()
    let best: Best | null = start?.record.best ?? null
    let saved = session.step
    let last = yield* milliseconds
    /** A step leaves one turn of the event loop, and a file of 86 MB needs forty: the checkpoint in progress gets a share of the time. */
    const share = Effect.flatMap(milliseconds, (now) => {
      const wait = (now - last) * SHARE
      if (wait < LEAST) return Effect.void
      last = now
      return jobs.wait(wait)
    })
    const write = (snapshot: Snapshot) =>
      Effect.gen(function* () {
        yield* flush(metrics)
        yield* writeCheckpoint(snapshot, folder)
        saved = snapshot.record.step
        yield* prune(folder, keep, snapshot.record.best?.step)
      })
    const begin = Effect.gen(function* () {
      yield* jobs.settle
      if (session.step === saved) return
      if (!writes) {
        yield* stateOfOthers(session)
        saved = session.step
        return
      }
      const computed = {
        versions: versions(),
        ...(device === undefined ? {} : { device }),
        ...(rate === undefined ? {} : { rate })
      }
      const snapshot = yield* takeSnapshot(session, { best, name, plan, inputs, ...computed })
      yield* sync.pipe(Effect.onError(() => Effect.sync(() => releaseSnapshot(snapshot))))
      yield* jobs.start(write(snapshot))
    })
    return {
      afterStep: (soFar) =>
        Effect.suspend(() => {
          // JSON has no infinite numbers
          if (soFar) best = { step: soFar.step, loss: Math.min(soFar.loss, Number.MAX_VALUE) }
          return best?.step === session.step || session.step % checkpointEvery === 0 ? begin : share
        }),
      save: Effect.andThen(begin, jobs.settle),
      settle: jobs.settle,
      saved: () => saved
    }
  })

/** Returns the names of the complete checkpoints in a folder, oldest first. */
const checkpointsIn = (folder: string): Effect.Effect<ReadonlyArray<string>, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const names = yield* fs.readDirectory(folder).pipe(Effect.orElseSucceed(() => []))
    return names.filter((name) => stepOf(name) !== undefined).sort((a, b) => stepOf(a)! - stepOf(b)!)
  })

/** Removes all but the newest `keep` checkpoints and the best one. Ignores failures. */
const prune = (folder: string, keep: number, best: number | undefined) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const complete = yield* checkpointsIn(folder)
    const newest = new Set(complete.slice(-keep))
    const old = complete.filter((name) => !newest.has(name) && stepOf(name) !== best)
    for (const name of old) yield* Effect.ignore(fs.remove(path.join(folder, name), { recursive: true }))
  })

/**
 * Removes the checkpoints of a finished run, the oldest first, so that the newest stays intact until the last removal. Keeps files from other
 * sources. Ignores failures.
 */
export const removeCheckpoints = ({
  directory,
  adapter,
  checkpoints: folder
}: Pick<RunFolder, "directory" | "adapter" | "checkpoints">): Effect.Effect<
  void,
  never,
  FileSystem.FileSystem | Path.Path
> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    if (!(yield* fs.exists(folder))) return
    yield* refuseLink(folder)
    // what makes them superfluous survives a loss of power
    yield* Effect.forEach([adapter, directory], flush)
    for (const name of (yield* fs.readDirectory(folder)).sort()) {
      if (!/^step-\d{8,}(\.damaged|\.tmp-\d+)?$/.test(name)) continue
      // one that is half removed is no checkpoint
      const aside = temporaryName(path.join(folder, name))
      yield* fs.rename(path.join(folder, name), aside)
      yield* fs.remove(aside, { recursive: true })
    }
    if ((yield* fs.readDirectory(folder)).length === 0) yield* fs.remove(folder, { recursive: true })
  }).pipe(Effect.ignore, Effect.uninterruptible)

export interface Found {
  /** the newest intact checkpoint; null: no checkpoint is intact */
  readonly checkpoint: StoredCheckpoint | null
  /** newer checkpoints that are damaged: their folders, with one sentence each */
  readonly damaged: ReadonlyArray<{ readonly folder: string; readonly message: string }>
}

/** Returns the newest intact checkpoint to resume from. Changes no files. */
export const newestCheckpoint = (folder: string): Effect.Effect<Found, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const damaged: Array<Found["damaged"][number]> = []
    for (const name of (yield* checkpointsIn(folder)).toReversed()) {
      const result = yield* Effect.result(readCheckpoint(path.join(folder, name)))
      if (result._tag === "Success") return { checkpoint: result.success, damaged }
      damaged.push({ folder: path.join(folder, name), message: result.failure.message })
    }
    return { checkpoint: null, damaged }
  })

/** Replaces the trained tensors with those of the checkpoint of `step`, which rank 0 reads. */
export const restoreTrainedOf = (folder: string, step: number, adapted: Adapted<Network>) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    yield* restoreTrained(adapted, yield* onFirst(readCheckpoint(path.join(folder, checkpointName(step)))))
  })

/** Renames damaged checkpoints, so that they are not counted as kept and not deleted. */
export const setAside = ({ damaged }: Found): Effect.Effect<void, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    for (const { folder } of damaged) {
      yield* fs
        .remove(`${folder}.damaged`, { recursive: true, force: true })
        .pipe(Effect.andThen(fs.rename(folder, `${folder}.damaged`)), Effect.ignore)
    }
  })

/**
 * Removes files of interrupted writes from folders that no other process writes. Other processes, such as one that merges the run, may write into
 * `shared`: there, files whose names contain the id of a live process are kept.
 */
export const clearTemporary = (
  folders: ReadonlyArray<string>,
  shared: string
): Effect.Effect<void, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    for (const folder of [...folders, shared]) {
      const names = yield* fs.readDirectory(folder).pipe(Effect.orElseSucceed(() => []))
      for (const name of names) {
        const pid = /\.tmp-(\d+)(-[0-9a-f]{12})?$/.exec(name)?.[1]
        // a process that died may have had this one's number, which writes nothing yet
        const removable = folder !== shared || Number(pid) === ownNumber
        const isOrphan = pid !== undefined && (removable || (yield* isLeftover(name, true)))
        if (isOrphan) yield* Effect.ignore(fs.remove(path.join(folder, name), { recursive: true }))
      }
    }
  })

interface Jobs<E> {
  /** Starts a job after the previous one. Fails if that one failed. */
  readonly start: <R>(job: Effect.Effect<void, E, R>) => Effect.Effect<void, E, R>
  /** Waits until no job runs. Fails if the last job failed, unless that was reported already. */
  readonly settle: Effect.Effect<void, E>
  /** Waits for the running job, up to `milliseconds`. */
  readonly wait: (milliseconds: number) => Effect.Effect<void>
}

/**
 * Runs jobs concurrently with the caller, one at a time: starting one waits for the previous one and fails if that failed. Jobs are never
 * interrupted: one that runs when the scope ends finishes first.
 */
const oneAtATime = <E>(): Effect.Effect<Jobs<E>, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope) => {
    let running: Fiber.Fiber<void, E> | undefined
    // a waiting caller may be interrupted; the fiber and its failure stay for the next one
    const settle = Effect.suspend(() =>
      running === undefined
        ? Effect.void
        : Effect.flatMap(Fiber.await(running), (exit) => {
            running = undefined
            return exit
          })
    )
    const start = <R>(job: Effect.Effect<void, E, R>) =>
      // begun at once: a fiber that the scope's end finds waiting would never run
      Effect.forkIn(job, scope, { startImmediately: true, uninterruptible: true }).pipe(
        Effect.map((fiber) => {
          running = fiber
        }),
        Effect.uninterruptible,
        (begin) => Effect.andThen(settle, begin)
      )
    const wait = (milliseconds: number) =>
      Effect.suspend(() =>
        running === undefined
          ? Effect.void
          : Effect.raceFirst(Effect.asVoid(Fiber.await(running)), Effect.sleep(milliseconds))
      )
    return { start, settle, wait }
  })
