/** Files that were dropped on the page, among the page's own: below `data/`, under a name that none has yet. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { type FileError, fileError } from "../../../files/index.ts"
import type { DroppedFile } from "../host.ts"
import { partsOf } from "./stored-files.ts"

const FOLDER = "data"
const PIECE = 8 * 2 ** 20 // bytes

/** "reviews.csv" → "reviews-2.csv" */
const numbered = (name: string, n: number): string => {
  if (n === 1) return name
  const end = name.search(/(\.[^.]+)?(\.gz)?$/)
  return `${name.slice(0, end)}-${n}${name.slice(end)}`
}

/** Gives what a plan names them by: the file, or the folder that they are in together. `done`: the share of all bytes. */
export const storeFiles = (
  dropped: ReadonlyArray<DroppedFile>,
  done: (share: number) => void
): Effect.Effect<string, FileError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const paths = dropped.map(({ path }) => partsOf(path))
    const failed = fileError("write", FOLDER)
    let own = ""
    for (let n = 1; ; n++) {
      own = numbered(paths[0]?.[0] ?? "file", n)
      if (!(yield* fs.exists(`${FOLDER}/${own}`).pipe(Effect.mapError(failed)))) break
    }
    const bytes = dropped.reduce((sum, { file }) => sum + file.size, 0)
    let stored = 0
    for (const [i, { file }] of dropped.entries()) {
      const parts = [FOLDER, own, ...paths[i]!.slice(1)]
      yield* fs.makeDirectory(parts.slice(0, -1).join("/"), { recursive: true }).pipe(Effect.mapError(failed))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const handle = yield* fs.open(parts.join("/"), { flag: "w" })
          for (let at = 0; at < file.size; at += PIECE) {
            const piece = yield* Effect.promise(() => file.slice(at, at + PIECE).arrayBuffer())
            yield* handle.writeAll(new Uint8Array(piece))
            stored += piece.byteLength
            done(stored / bytes)
          }
          yield* handle.sync
        })
      ).pipe(Effect.mapError(fileError("write", parts.join("/"))))
    }
    done(1)
    return `${FOLDER}/${own}`
  })
