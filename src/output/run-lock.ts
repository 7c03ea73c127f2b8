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
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { type FileError, fileError } from "../files/index.ts"

const Owner = Schema.Struct({ pid: Schema.Int.check(Schema.isGreaterThan(0)), host: Schema.String })

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

/** What this process holds: its own pid in a lock says nothing about which of its runs it is. */
const held = new Set<string>()

/** Locks a run folder until the scope ends. */
export const lockRun = (
  directory: string
): Effect.Effect<void, RunLocked | FileError, FileSystem.FileSystem | Path.Path | Scope.Scope> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const file = path.join(directory, "lock")
    const name = path.resolve(file)
    const own = { pid: process.pid, host: hostname() }
    const create: Effect.Effect<void, PlatformError | RunLocked, FileSystem.FileSystem> = createWhole(
      file,
      JSON.stringify(own)
    ).pipe(
      Effect.catchIf(
        (error) => error.reason._tag === "AlreadyExists",
        () => Effect.andThen(removeDead(directory, file), create)
      )
    )
    const acquire = Effect.gen(function* () {
      if (held.has(name)) return yield* new RunLocked({ directory, ...own })
      yield* create
      held.add(name)
    }).pipe(Effect.catchTag("PlatformError", (error) => Effect.fail(fileError("write", file)(error))))
    const release = Effect.gen(function* () {
      held.delete(name)
      // somebody may have removed it by hand, and somebody else have taken the folder since
      if ((yield* fs.readFileString(file)) === JSON.stringify(own)) yield* fs.remove(file)
    })
    yield* Effect.acquireRelease(acquire, () => Effect.ignore(release))
  })

/** Makes the file with its content at once, so that nobody finds a live lock empty; where there are no hard links, nearly so. */
const createWhole = (file: string, content: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const temporary = `${file}.tmp-${process.pid}`
    yield* fs.remove(temporary, { force: true })
    yield* fs.writeFileString(temporary, content, { flag: "wx" })
    yield* fs.link(temporary, file).pipe(
      Effect.catchIf(
        (error) => error.reason._tag !== "AlreadyExists",
        () => fs.writeFileString(file, content, { flag: "wx" })
      ),
      Effect.ensuring(Effect.ignore(fs.remove(temporary)))
    )
  })

/** Removes a lock whose process is gone; fails where it is not. One that is gone by itself is as good. */
const removeDead = (directory: string, file: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const mustBeDead = (text: string) => {
      const owner = Schema.decodeUnknownResult(Schema.fromJsonString(Owner))(text)
      // half-written, or written by nobody we know
      if (owner._tag === "Failure") return Effect.void
      const { pid, host } = owner.success
      const dead = host === hostname() && (pid === process.pid || !isAlive(pid))
      return dead ? Effect.void : Effect.fail(new RunLocked({ directory, pid, host }))
    }
    yield* mustBeDead(yield* fs.readFileString(file))
    // another process may have taken over in between: then it is its lock that was moved here, and goes back
    const aside = `${file}.dead.tmp-${process.pid}`
    yield* fs.rename(file, aside)
    yield* fs.readFileString(aside).pipe(
      Effect.flatMap(mustBeDead),
      Effect.tapError(() => Effect.ignore(fs.link(aside, file))),
      Effect.ensuring(Effect.ignore(fs.remove(aside)))
    )
  }).pipe(
    Effect.catchIf(
      (error) => error._tag === "PlatformError" && error.reason._tag === "NotFound",
      () => Effect.void
    )
  )
