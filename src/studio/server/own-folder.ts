/**
 * `.studio/`: what the studio keeps in the folder that it is started in. One studio at a time: two would give the same run its turn twice. The
 * token stays the same from one start to the next, so that a page that is open goes on.
 */
import { randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { type FileError, fileError, readTextFile } from "../../files/index.ts"
import { lockRun } from "../../output/index.ts"

/** In the working directory. */
export const OWN_FOLDER = ".studio"
const TOKEN = `${OWN_FOLDER}/token`
const ADDRESS = `${OWN_FOLDER}/address`

/** A studio of this folder is open. */
export class StudioOpen extends Schema.TaggedError<StudioOpen>()("StudioOpen", {
  pid: Schema.Int,
  address: Schema.String
}) {
  override get message() {
    const where = this.address === "" ? "" : ` at ${this.address}`
    return `a studio of this folder is open already${where}; use that one (${ADDRESS} has its address with the token), or end its process ${this.pid}`
  }
}

type Files = FileSystem.FileSystem | Path.Path

export interface OwnFolder {
  readonly token: string
  /** Says where the studio is, to one that is started beside it. */
  readonly announce: (address: string) => Effect.Effect<void, FileError, FileSystem.FileSystem>
}

const readable = /^[\w-]{32}$/
/** for its owner alone */
const MODE = 0o600

const writePrivate = (file: string, text: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    // made anew: a file that others may read would stay so
    yield* fs.remove(file, { force: true })
    yield* fs.writeFileString(file, text, { flag: "wx", mode: MODE })
  }).pipe(Effect.mapError(fileError("write", file)))

/** Opens it until the scope ends. */
export const openOwnFolder: Effect.Effect<OwnFolder, StudioOpen | FileError, Files | Scope.Scope> = Effect.gen(
  function* () {
    const fs = yield* FileSystem.FileSystem
    yield* fs.makeDirectory(OWN_FOLDER, { recursive: true }).pipe(Effect.mapError(fileError("write", OWN_FOLDER)))
    const textOf = (file: string) => readTextFile(file, 1_000).pipe(Effect.orElseSucceed(() => ""))
    yield* lockRun(OWN_FOLDER).pipe(
      Effect.catchTag("RunLocked", ({ pid }) =>
        Effect.flatMap(textOf(ADDRESS), (address) =>
          Effect.fail(new StudioOpen({ pid, address: URL.parse(address.trim())?.origin ?? "" }))
        )
      )
    )
    const ignore = `${OWN_FOLDER}/.gitignore`
    yield* fs.writeFileString(ignore, "*\n").pipe(Effect.mapError(fileError("write", ignore)))
    const last = (yield* textOf(TOKEN)).trim()
    const token = readable.test(last) ? last : randomBytes(24).toString("base64url")
    yield* writePrivate(TOKEN, `${token}\n`)
    yield* Effect.addFinalizer(() => Effect.ignore(fs.remove(ADDRESS)))
    return { token, announce: (address) => writePrivate(ADDRESS, `${address}\n`) }
  }
)
