/**
 * The run folder, `runs/<name>/`: taken when everything that could be wrong with the input has been looked at, never shared,
 * never overwritten.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { FileError, fileError } from "../files/index.ts"

export class RunFolderExists extends Schema.TaggedError<RunFolderExists>()("RunFolderExists", {
  directory: Schema.String
}) {
  override get message() {
    return `the run folder ${this.directory} exists already and is left as it is; give another one with --out DIR (or output.directory), or none to take a fresh runs/<plan name>-<n>`
  }
}

export interface RunFolder {
  /** as given, for messages */
  readonly directory: string
  readonly plan: string
  readonly metrics: string
  readonly report: string
  /** report.html */
  readonly page: string
  readonly adapter: string
  readonly checkpoints: string
}

/** The files of a run folder; creates nothing. */
export const runFolder = (directory: string): Effect.Effect<RunFolder, never, Path.Path> =>
  Effect.map(Path.Path, (path) => ({
    directory,
    plan: path.join(directory, "plan.json"),
    metrics: path.join(directory, "metrics.jsonl"),
    report: path.join(directory, "run.json"),
    page: path.join(directory, "report.html"),
    adapter: path.join(directory, "adapter"),
    checkpoints: path.join(directory, "checkpoints")
  }))

/** Fails if a directory asked for by name is there already: asked before the work, and again by the creation itself. */
export const checkFree = (directory: string | undefined): Effect.Effect<void, RunFolderExists, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    if (directory === undefined) return
    const fs = yield* FileSystem.FileSystem
    const taken = yield* fs.exists(directory).pipe(Effect.orElseSucceed(() => false))
    if (taken) return yield* new RunFolderExists({ directory })
  })

/** Creates `directory`, or the first free `runs/<name>-<n>` where none is given. */
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
