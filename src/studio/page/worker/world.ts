/**
 * What a worker of the page has: files, paths, and what comes with the page. Files are in the browser's own store for this page's address
 * (OPFS), and in memory where the browser gives none, as in a private window.
 */

import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { messageOf } from "../../../boundary/index.ts"
import { packageDataFiles, rootedPaths, withoutHub } from "../../../data/index.ts"
import { type FileError, fileError } from "../../../files/index.ts"
import type { Sources } from "../../../hub/hub.ts"
import type { DroppedFile } from "../host.ts"
import { MemoryFolder } from "./memory-folder.ts"
import { type Fetching, type StaticFile, withStaticFiles } from "./static-files.ts"
import { partsOf, type StoredFolder, storedFileAt, storedFiles } from "./stored-files.ts"

/** Of this page: several studios may be on one site. */
export const nameOfStore = (base: string): string => `tfjs-lora-pro ${encodeURIComponent(new URL(base).pathname)}`

/** OPFS is one for all pages of a site, and each page has a folder of its own in it. Rejects without OPFS. */
const ownFolder = async (base: string): Promise<StoredFolder> => {
  const root = await navigator.storage.getDirectory()
  // the types of a page know no synchronous handles, which workers have
  return (await root.getDirectoryHandle(nameOfStore(base), { create: true })) as unknown as StoredFolder
}

export interface World {
  readonly layer: Layer.Layer<Sources>
  /** A stored file, read on use; rejects if it does not exist. */
  readonly fileAt: (path: string) => Promise<Blob>
  /** why files are gone when the page is closed; null: they stay */
  readonly unkept: string | null
}

/** The file that lists what comes with the page. */
const LIST = "static-files.json"

/** Rejects where the page's own list cannot be fetched. `folder`: where files are, if that is known. */
export const openWorld = async (base: string, tell: Fetching): Promise<World> => {
  const listing = fetch(new URL(LIST, base)).then((response): Promise<ReadonlyArray<StaticFile>> => {
    if (!response.ok) throw new Error(`${response.url}: the server answers ${response.status}`)
    return response.json()
  })
  const storage = await ownFolder(base).then(
    (folder) => ({ folder, unkept: null }),
    (cause: unknown) => ({ folder: new MemoryFolder(), unkept: messageOf(cause) })
  )
  const files = withStaticFiles(storedFiles(storage.folder), await listing, base, tell)
  const fileSystem = Layer.succeed(FileSystem.FileSystem)(files)
  return {
    layer: Layer.mergeAll(fileSystem, rootedPaths, withoutHub, Layer.provide(packageDataFiles, fileSystem)),
    fileAt: (path) => storedFileAt(storage.folder, path),
    unkept: storage.unkept
  }
}

/** "models/minilm/model.safetensors: 12 of 29 MB" */
export const fetchingText = (path: string, loaded: number, of: number): string =>
  `downloading ${path}: ${Math.round(loaded / 1e6)} of ${Math.round(of / 1e6)} MB`

/** Files that were dropped on the page, among the page's own: below `data/`, under a name that none has yet. */
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
  report: (share: number) => void
): Effect.Effect<string, FileError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const paths = dropped.map(({ path }) => partsOf(path))
    const failed = fileError("write", FOLDER)
    let folderName = ""
    for (let n = 1; ; n++) {
      folderName = numbered(paths[0]?.[0] ?? "file", n)
      if (!(yield* fs.exists(`${FOLDER}/${folderName}`).pipe(Effect.mapError(failed)))) break
    }
    const bytes = dropped.reduce((sum, { file }) => sum + file.size, 0)
    let stored = 0
    for (const [i, { file }] of dropped.entries()) {
      const parts = [FOLDER, folderName, ...paths[i]!.slice(1)]
      yield* fs.makeDirectory(parts.slice(0, -1).join("/"), { recursive: true }).pipe(Effect.mapError(failed))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const handle = yield* fs.open(parts.join("/"), { flag: "w" })
          for (let at = 0; at < file.size; at += PIECE) {
            const piece = yield* Effect.promise(() => file.slice(at, at + PIECE).arrayBuffer())
            yield* handle.writeAll(new Uint8Array(piece))
            stored += piece.byteLength
            report(stored / bytes)
          }
          yield* handle.sync
        })
      ).pipe(Effect.mapError(fileError("write", parts.join("/"))))
    }
    report(1)
    return `${FOLDER}/${folderName}`
  })
