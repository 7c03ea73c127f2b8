/**
 * One process at a time downloads a file: `<hash>.lock` beside it names that process. The others wait; a lock whose process is gone, or that
 * stood longer than a file takes that brings no byte, is removed. Were two to hold it after all, the hash would find it.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"

/** twice the patience of a download: its file has grown by then, or it has ended */
const longest = 120_000

/** Waits for the lock and holds it until the scope ends. `growing`: the file whose growth shows that its holder is at work. */
export const lockDownload = (
  lock: string,
  growing: string
): Effect.Effect<void, PlatformError, FileSystem.FileSystem | Scope.Scope> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const own = `${process.pid}@${process.getBuiltinModule("node:os").hostname()}`
    const take: Effect.Effect<void, PlatformError> = fs.writeFileString(lock, own, { flag: "wx" }).pipe(
      Effect.catchIf(
        ({ reason }) => reason._tag === "AlreadyExists",
        () =>
          isStale(fs, lock, growing, own).pipe(
            Effect.flatMap((stale) => (stale ? fs.remove(lock, { force: true }) : Effect.sleep("200 millis"))),
            Effect.andThen(Effect.suspend(() => take))
          )
      )
    )
    yield* Effect.acquireRelease(Effect.interruptible(take), () => Effect.ignore(fs.remove(lock)))
  })

const isStale = (fs: FileSystem.FileSystem, lock: string, growing: string, own: string) =>
  Effect.gen(function* () {
    const holder = yield* fs.readFileString(lock).pipe(Effect.orElseSucceed(() => ""))
    const [pid, host] = holder.split("@")
    // nobody can ask for a process of another host
    if (host !== undefined && host === own.split("@")[1] && !isAlive(Number(pid))) return true
    const ages = yield* Effect.forEach([lock, growing], (file) => ageOf(fs, file))
    return Math.min(...ages) > longest
  })

/** Milliseconds since the file was written; infinite where it is not there. */
const ageOf = (fs: FileSystem.FileSystem, file: string) =>
  fs.stat(file).pipe(
    Effect.map(({ mtime }) => (mtime._tag === "Some" ? Date.now() - mtime.value.getTime() : Number.POSITIVE_INFINITY)),
    Effect.orElseSucceed(() => Number.POSITIVE_INFINITY)
  )

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // it is there and belongs to somebody else
    return (error as { readonly code?: string }).code === "EPERM"
  }
}
