/**
 * One process per run folder: `lock` names the process that writes it, for as long as the scope.
 *
 * A process that was killed leaves its lock behind; a lock whose process is gone is taken over. On another host nobody can ask
 * for a process, so a lock from there stands until somebody removes it.
 */
import { hostname } from "node:os"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { type FileError, fileError } from "./atomic-file.ts"

const Owner = Schema.Struct({ pid: Schema.Int, host: Schema.String })

export class RunLocked extends Schema.TaggedError<RunLocked>()("RunLocked", {
  directory: Schema.String,
  pid: Schema.Int,
  host: Schema.String
}) {
  override get message() {
    const where = this.host === hostname() ? "" : ` on ${this.host}`
    return `${this.directory} is being written by process ${this.pid}${where}; wait for it, or, if it is gone, remove ${this.directory}/lock`
  }
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // it is there and belongs to somebody else
    return (error as { readonly code?: string }).code === "EPERM"
  }
}

/** Locks a run folder until the scope ends. */
export const lockRun = (
  directory: string
): Effect.Effect<void, RunLocked | FileError, FileSystem.FileSystem | Path.Path | Scope.Scope> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const file = path.join(directory, "lock")
    const own = JSON.stringify({ pid: process.pid, host: hostname() })
    const create = fs.writeFileString(file, own, { flag: "wx" })
    const takeOver = Effect.gen(function* () {
      const text = yield* fs.readFileString(file)
      const owner = Schema.decodeUnknownResult(Schema.fromJsonString(Owner))(text)
      if (owner._tag === "Success") {
        const { pid, host } = owner.success
        if (host !== hostname() || (pid !== process.pid && isAlive(pid))) {
          return yield* new RunLocked({ directory, pid, host })
        }
      }
      // only one of several processes that see the same dead owner gets it: the name is moved away once
      const aside = `${file}.tmp-${process.pid}`
      yield* fs.rename(file, aside)
      yield* fs.remove(aside)
      yield* create
    })
    const acquire = create.pipe(
      Effect.catchIf(
        (error) => error.reason._tag === "AlreadyExists",
        () => takeOver
      ),
      Effect.catchTag("PlatformError", (error) => Effect.fail(fileError("write", file)(error)))
    )
    yield* Effect.acquireRelease(acquire, () => Effect.ignore(fs.remove(file)))
  })
