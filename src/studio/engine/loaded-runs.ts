/**
 * The runs that are asked, on the device for as long as the engine lives: the last two of them, for each has a model. Runs over the same files
 * share their frozen weights (`SharedParts`). A run that was trained further since is loaded again.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { limit } from "../../boundary/index.ts"
import { Device } from "../../device/device.ts"
import { type PromptCache, promptCaches, type Turn } from "../../generation/index.ts"
import { SharedParts, sharedParts } from "../../models/index.ts"
import { runFolder } from "../../output/index.ts"
import { type LoadedRun, loadTrained } from "../../trained/index.ts"
import type { EngineNeeds, Reported } from "./handlers.ts"

/** A run on the device. */
export interface RunInUse {
  readonly run: LoadedRun
  /** what conversations with it have in common */
  readonly prompts: PromptCache
  /** One piece of work on the device at a time, in the order in which they were asked for. */
  readonly turn: Turn
}

const MOST = 2

interface Entry {
  readonly id: string
  /** when it was written */
  readonly version: number
  readonly inUse: RunInUse
  readonly scope: Scope.Closeable
  users: number
}

interface Runs {
  /** the one that was used longest ago first */
  entries: ReadonlyArray<Entry>
  readonly parts: SharedParts
  readonly loading: Semaphore.Semaphore
  readonly device: Semaphore.Semaphore
}

/** Tensors are of one device. */
const byDevice = new WeakMap<object, Runs>()

const runsOf = (device: object): Runs => {
  const existing = byDevice.get(device)
  if (existing !== undefined) return existing
  const runs: Runs = {
    entries: [],
    parts: sharedParts(),
    loading: Semaphore.makeUnsafe(1),
    device: Semaphore.makeUnsafe(1)
  }
  byDevice.set(device, runs)
  return runs
}

/** Time at which a run was written; it changes if the run is replaced or trained further. 0: the run does not exist. */
export const versionOf = (id: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { report } = yield* runFolder(id)
    const { mtime } = yield* fs.stat(report)
    return Option.match(mtime, { onNone: () => 0, onSome: (time) => time.getTime() })
  }).pipe(Effect.orElseSucceed(() => 0))

const close = ({ scope }: Entry) => Scope.close(scope, Exit.void)

/** Lets runs go that no one uses, the one that was used longest ago first, until `most` are left. */
const makeRoom = (runs: Runs, most: number, id: string) =>
  Effect.gen(function* () {
    const free = runs.entries.filter(({ users }) => users === 0)
    // an earlier version of the same run is of no use any more
    const closing = new Set(free.filter((entry) => entry.id === id))
    for (const entry of free) if (runs.entries.length - closing.size > most) closing.add(entry)
    runs.entries = runs.entries.filter((entry) => !closing.has(entry))
    yield* Effect.forEach(closing, close, { discard: true })
  })

const load = (runs: Runs, id: string, version: number): Effect.Effect<Entry, Reported, EngineNeeds> =>
  Effect.gen(function* () {
    yield* makeRoom(runs, MOST - 1, id)
    const scope = yield* Scope.make()
    const turn: Turn = runs.device.withPermits(1)
    const inUse = yield* Effect.all({
      run: turn(loadTrained(id)),
      prompts: promptCaches(limit("serve-cached-tokens")),
      turn: Effect.succeed(turn)
    }).pipe(
      Effect.provideService(Scope.Scope, scope),
      Effect.provideService(SharedParts, runs.parts),
      Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit)))
    )
    return { id, version, inUse, scope, users: 0 }
  })

/** The run of a folder, loaded where it is not yet, for as long as the scope at least. */
export const useRun = (id: string): Effect.Effect<RunInUse, Reported, EngineNeeds | Scope.Scope> =>
  Effect.gen(function* () {
    const runs = runsOf(yield* Device)
    const entered = Effect.gen(function* () {
      const version = yield* versionOf(id)
      const existing = runs.entries.find((entry) => entry.id === id && entry.version === version)
      const entry = existing ?? (yield* load(runs, id, version))
      runs.entries = [...runs.entries.filter((earlier) => earlier !== entry), entry]
      entry.users += 1
      return entry
    })
    const { inUse } = yield* Effect.acquireRelease(runs.loading.withPermits(1)(entered), (entry) =>
      Effect.suspend(() => {
        entry.users -= 1
        return makeRoom(runs, MOST, "")
      })
    )
    return inUse
  })

/** Lets every run go that no one uses. */
export const letRunsGo: Effect.Effect<void, never, Device> = Effect.flatMap(Device, (device) =>
  makeRoom(runsOf(device), 0, "")
)
