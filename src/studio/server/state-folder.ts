/**
 * What the studio keeps about the folder that it is started in: its address, its runs and studies, and whether the folder is trusted. All of
 * it is in the user's state folder, because a folder may come from anywhere and nothing in it may start, stop or unlock anything.
 *
 *   $XDG_STATE_HOME/tfjs-lora-pro/studio/NAME-HASH        ~/.local/state without the variable
 *
 * One studio per folder at a time: two would start the same waiting run twice.
 */

import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { FileError, type Files, fileError, readTextFile, userFolder } from "../../files/index.ts"
import { lockRun } from "../../output/index.ts"

/** A studio of this folder is open. */
export class StudioOpen extends Schema.TaggedError<StudioOpen>()("StudioOpen", {
  pid: Schema.Int,
  address: Schema.String,
  file: Schema.String
}) {
  override get message() {
    const where = this.address === "" ? "" : ` at ${this.address}`
    return `a studio is already open for this folder${where}; open the address in ${this.file}, or end its process ${this.pid}`
  }
}

export interface StateFolder {
  /** its absolute path */
  readonly folder: string
  /** Writes the address that opens the studio, for its user alone; it is removed at the end. */
  readonly announce: (address: string) => Effect.Effect<void, FileError, FileSystem.FileSystem>
}

/** for the user alone */
const MODE = { folder: 0o700, file: 0o600 }

const writePrivate = (file: string, text: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    // written as a new file: one that others may read would stay so
    yield* fs.remove(file, { force: true })
    yield* fs.writeFileString(file, text, { flag: "wx", mode: MODE.file })
  }).pipe(Effect.mapError(fileError("write", file)))

/** Where the state of a folder is. */
const placeOf = (folder: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const state = userFolder(path, "state")
    if (state === undefined) {
      const reason = "you have no home folder; set XDG_STATE_HOME to a folder that only you can read"
      return yield* new FileError({ action: "write", file: "the studio's state", reason })
    }
    const real = yield* fs.realPath(folder).pipe(Effect.mapError(fileError("read", folder)))
    const hash = createHash("sha256").update(real).digest("hex").slice(0, 16)
    const name = path.basename(real).replaceAll(/[^\w.-]+/g, "-")
    return path.join(state, "studio", `${name}-${hash}`)
  })

/** Opens the state of the working directory until the scope ends. */
export const openStateFolder: Effect.Effect<StateFolder, StudioOpen | FileError, Files | Scope.Scope> = Effect.gen(
  function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const location = yield* placeOf(".")
    const folder = yield* fs
      .makeDirectory(location, { recursive: true, mode: MODE.folder })
      .pipe(Effect.andThen(fs.realPath(location)), Effect.mapError(fileError("write", location)))
    const address = path.join(folder, "address")
    yield* lockRun(folder).pipe(
      Effect.catchTag("RunLocked", ({ pid }) =>
        readTextFile(address, 1_000).pipe(
          Effect.orElseSucceed(() => ""),
          Effect.flatMap((text) =>
            Effect.fail(new StudioOpen({ pid, address: URL.parse(text.trim())?.origin ?? "", file: address }))
          )
        )
      )
    )
    yield* Effect.addFinalizer(() => Effect.ignore(fs.remove(address)))
    return { folder, announce: (url) => writePrivate(address, `${url}\n`) }
  }
)
