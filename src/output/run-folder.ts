/**
 * The run folder, `runs/<name>/`: created once the input has been validated, never shared, never overwritten. `lock` names the one process that
 * writes it.
 *
 * A killed process leaves its lock behind; a lock whose process is gone is taken over (`process-owner.ts`). Whether a process of another host still
 * runs is unknown, so its lock stays until someone removes it.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import {
  FileError,
  fileError,
  type GuardedFolder,
  guardFolder,
  hostname,
  isGone,
  ownerIn,
  ownNumber,
  temporaryName,
  thisProcess,
  within
} from "../files/index.ts"
import { CHAT_TEMPLATE } from "../models/index.ts"

/** Error of creating a run folder that exists already. A run never overwrites another. */
export class RunFolderExists extends Schema.TaggedError<RunFolderExists>()("RunFolderExists", {
  /** the folder to create */
  directory: Schema.String
}) {
  override get message() {
    return `the run folder ${this.directory} exists already and is left unchanged; choose another one with --out DIR (or output.directory), or leave it out to create a new runs/<plan name>-<n>`
  }
}

/** Paths of the files in a run folder. */
export interface RunFolder {
  /** the folder, as given, for messages */
  readonly directory: string
  /** plan.json */
  readonly plan: string
  /** metrics.jsonl */
  readonly metrics: string
  /** run.json */
  readonly report: string
  /** chat_template.jinja, if the plan names one */
  readonly template: string
  /** folder of misclassified images, if rows are images */
  readonly pictures: string
  /** report.html */
  readonly page: string
  /** folder of the adapter */
  readonly adapter: string
  /** folder of the checkpoints */
  readonly checkpoints: string
}

/** Returns the paths of a run folder's files. Creates nothing. */
export const runFolder = (directory: string): Effect.Effect<RunFolder, never, Path.Path> =>
  Effect.map(Path.Path, (path) => ({
    directory,
    plan: path.join(directory, "plan.json"),
    metrics: path.join(directory, "metrics.jsonl"),
    report: path.join(directory, "run.json"),
    template: path.join(directory, CHAT_TEMPLATE),
    pictures: path.join(directory, "pictures.json"),
    page: path.join(directory, "report.html"),
    adapter: path.join(directory, "adapter"),
    checkpoints: path.join(directory, "checkpoints")
  }))

/** Fails if an explicitly named directory exists. Checked before the work, and again when the folder is created. */
export const checkFree = (directory: string | undefined): Effect.Effect<void, RunFolderExists, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    if (directory === undefined) return
    const fs = yield* FileSystem.FileSystem
    const exists = yield* fs.exists(directory).pipe(Effect.orElseSucceed(() => false))
    if (exists) return yield* new RunFolderExists({ directory })
  })

/** Creates `directory` or, if it is undefined, the first free `runs/<name>-<n>`. */
export const createRunFolder = (
  directory: string | undefined,
  name: string
): Effect.Effect<RunFolder, RunFolderExists | FileError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const makeParent = (folder: string) => {
      const parent = path.dirname(folder)
      const isNoFolder = new FileError({ action: "write", file: folder, reason: `${parent} is not a folder` })
      return fs
        .makeDirectory(parent, { recursive: true })
        .pipe(
          Effect.mapError((error) =>
            error.reason._tag === "AlreadyExists" ? isNoFolder : fileError("write", folder)(error)
          )
        )
    }
    // making the folder itself is not recursive: of two processes that want the same one, one fails
    const make = (folder: string) =>
      fs.makeDirectory(folder).pipe(
        Effect.as(true),
        Effect.catchIf(
          (error) => error.reason._tag === "AlreadyExists",
          () => Effect.succeed(false)
        ),
        Effect.mapError(fileError("write", folder))
      )
    if (directory !== undefined) {
      yield* makeParent(directory)
      if (!(yield* make(directory))) return yield* new RunFolderExists({ directory })
      return yield* runFolder(directory)
    }
    yield* makeParent(path.join("runs", name))
    for (let n = 1; ; n++) {
      const candidate = path.join("runs", `${name}-${n}`)
      if (yield* make(candidate)) return yield* runFolder(candidate)
    }
  })

/** Error of opening a run folder that another process is writing. */
export class RunLocked extends Schema.TaggedError<RunLocked>()("RunLocked", {
  /** the run's folder */
  directory: Schema.String,
  /** process id of the writer */
  pid: Schema.Int,
  /** host name of the writer's machine */
  host: Schema.String
}) {
  override get message() {
    const where = this.host === hostname() ? "" : ` on ${this.host}`
    return `${this.directory} is being written by process ${this.pid}${where}; wait for it, or remove ${this.directory}/lock if that process has ended`
  }
}

/** The locks of this process: a lock contains the process id, not which run of the process holds it. */
const held = new Set<string>()

/** Locks a run folder until the scope ends, so that only one process writes it. Returns the guard through which its files are written. */
export const lockRun = (
  directory: string
): Effect.Effect<GuardedFolder, RunLocked | FileError, FileSystem.FileSystem | Path.Path | Scope.Scope> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const file = path.join(directory, "lock")
    return yield* Effect.gen(function* () {
      const guard = yield* guardFolder(directory)
      yield* takeLock(directory, file).pipe(within(guard))
      return guard
    }).pipe(Effect.catchTag("PlatformError", (error) => Effect.fail(fileError("write", file)(error))))
  })

const takeLock = (directory: string, file: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const name = path.resolve(file)
    const owner = yield* thisProcess
    const content = JSON.stringify(owner)
    const create: Effect.Effect<void, PlatformError | RunLocked, FileSystem.FileSystem> = createWhole(
      file,
      content
    ).pipe(
      Effect.catchIf(
        (error) => error.reason._tag === "AlreadyExists",
        () => Effect.andThen(removeDead(directory, file), create)
      )
    )
    const acquire = Effect.gen(function* () {
      if (held.has(name)) return yield* new RunLocked({ directory, ...owner })
      yield* create
      held.add(name)
    })
    const release = Effect.gen(function* () {
      held.delete(name)
      // someone may have removed it by hand, and another process may have taken the folder since
      if ((yield* contentOf(file)) === content) yield* fs.remove(file)
    })
    yield* Effect.acquireRelease(acquire, () => Effect.ignore(release))
  })

/** Creates a file with its content in one step, so that no process finds a live lock empty; nearly so on systems without hard links. */
const createWhole = (file: string, content: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const temporary = temporaryName(file)
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

/** Upper bound of a lock's size, in bytes. */
const LOCK_BYTES = 4_096

/** Reads a lock. Links, pipes and large files are not read. */
const contentOf = (file: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { type, size } = yield* fs.lstat(file)
    const readable = type === "Directory" || (type === "File" && size <= LOCK_BYTES) // reading a folder fails, and says why
    return readable ? yield* fs.readFileString(file) : ""
  })

/** Removes a lock whose process is gone. Fails if the process is alive. A lock that has disappeared counts as removed. */
const removeDead = (directory: string, file: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const mustBeDead = (text: string) =>
      Effect.gen(function* () {
        const owner = ownerIn(text)
        if (owner === undefined) return
        const { pid, host } = owner
        // this process holds no lock that it does not know of
        const isThisProcess = pid === ownNumber && host === hostname()
        if (!isThisProcess && !(yield* isGone(owner))) return yield* new RunLocked({ directory, pid, host })
      })
    yield* mustBeDead(yield* contentOf(file))
    // another process may have taken over in between: then its lock was moved here, and goes back
    const aside = temporaryName(`${file}.dead`)
    yield* fs.rename(file, aside)
    yield* contentOf(aside).pipe(
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
