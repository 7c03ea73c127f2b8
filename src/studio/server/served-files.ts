/**
 * Files of runs, exports and studies, to be shown or saved: regular files inside those folders, by no link. A page among them, such as
 * report.html, may have come from elsewhere with its folder: it is shown in an origin of its own, and loads nothing.
 */

import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Stream from "effect/Stream"
import type { Files } from "../../files/index.ts"
import { crc32 } from "../../images/index.ts"
import { filesOf } from "../runs/index.ts"
import { segmentsOf } from "./requests.ts"
import { LARGEST, MOST_ZIPPED, type ZippedFile, zipEnd, zipHeader, zipSize } from "./zip.ts"

/** Pages draw by scripts and styles of their own, in a sandbox: no cookie, no request, no form. */
const PAGE_POLICY =
  "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

const TEXT = "text/plain; charset=utf-8"

/** What a browser shows; everything else is saved. */
const mediaTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".json": TEXT,
  ".jsonl": TEXT,
  ".md": TEXT,
  ".txt": TEXT,
  ".csv": TEXT,
  ".png": "image/png",
  ".jpg": "image/jpeg",
  ".jpeg": "image/jpeg",
  ".webp": "image/webp"
}

const absent = () => new Response("not found\n", { status: 404 })

/** RFC 6266, with the name of RFC 5987 for what is not ASCII. */
const attachment = (name: string): string =>
  `attachment; filename="${name.replace(/[^\w. -]/g, "_")}"; filename*=UTF-8''${encodeURIComponent(name).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`)}`

interface Found {
  /** on the disk */
  readonly file: string
  readonly type: "File" | "Directory"
  readonly bytes: number
}

/** Looks up a file or folder, but not a link. The studio's file system rejects links on the way. */
const findEntry = (file: string): Effect.Effect<Found | undefined, never, Files> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { type, size } = yield* fs.lstat(file)
    return type === "File" || type === "Directory" ? ({ file, type, bytes: Number(size) } as const) : undefined
  }).pipe(Effect.orElseSucceed(() => undefined))

/** As many as were announced: the files of a run that is under way grow. */
const piecesOf = (file: string, bytes: number) =>
  Stream.unwrap(
    Effect.map(FileSystem.FileSystem, (fs) => fs.stream(file, { chunkSize: 256 * 1024, bytesToRead: bytes }))
  )

const sumOf = (file: string, bytes: number) =>
  Stream.runFold(
    piecesOf(file, bytes),
    () => 0,
    (sum, piece) => crc32(piece, 0, piece.length, sum)
  )

/** A folder as one file. */
const zipped = (folder: string, name: string) =>
  Effect.gen(function* () {
    const listed = (yield* filesOf(folder, MOST_ZIPPED + 1)).map(({ path, bytes }) => ({
      name: `${name}/${path}`,
      path,
      bytes
    }))
    const size = zipSize(listed)
    if (size > LARGEST || listed.length > MOST_ZIPPED)
      return new Response("this folder is too large for a ZIP file: copy it from disk\n", { status: 413 })
    const files = yield* Effect.forEach(
      listed,
      (file): Effect.Effect<ZippedFile & { path: string }, never, FileSystem.FileSystem> =>
        Effect.map(
          Effect.orElseSucceed(sumOf(`${folder}/${file.path}`, file.bytes), () => 0),
          (sum) => ({ ...file, sum })
        )
    )
    const parts = Stream.fromIterable(files).pipe(
      Stream.flatMap((file) =>
        Stream.concat(Stream.make(zipHeader(file)), piecesOf(`${folder}/${file.path}`, file.bytes))
      ),
      Stream.concat(Stream.suspend(() => Stream.make(zipEnd(files))))
    )
    const headers = {
      "content-type": "application/zip",
      "content-length": `${size}`,
      "content-disposition": attachment(`${name}.zip`),
      "cache-control": "no-store"
    }
    return new Response(yield* Stream.toReadableStreamEffect(parts), { headers })
  })

/** `folders`: those that may be looked into, relative to the working directory. */
export const servedFiles =
  (folders: Effect.Effect<ReadonlyArray<string>, never, Files>) =>
  (path: string, search: URLSearchParams): Effect.Effect<Response, never, Files> =>
    Effect.gen(function* () {
      const segments = segmentsOf(path)
      if (segments === undefined) return absent()
      const file = segments.join("/")
      if (!(yield* folders).some((folder) => `${file}/`.startsWith(`${folder}/`))) return absent()
      const entry = yield* findEntry(file)
      if (entry === undefined) return absent()
      const name = segments.at(-1)!
      if (entry.type === "Directory") return search.has("zip") ? yield* zipped(entry.file, name) : absent()
      const ending = /\.\w+$/.exec(name)?.[0]?.toLowerCase() ?? ""
      const type = search.has("download") ? undefined : mediaTypes[ending]
      const headers = new Headers({
        "content-type": type ?? "application/octet-stream",
        "content-length": `${entry.bytes}`,
        "cache-control": "no-store",
        // never a page of the studio itself
        "content-security-policy": PAGE_POLICY
      })
      if (type === undefined) headers.set("content-disposition", attachment(name))
      return new Response(yield* Stream.toReadableStreamEffect(piecesOf(entry.file, entry.bytes)), { headers })
    })

/** The built page: the files of one folder, by the names that are in it when the studio opens. */
const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".wasm": "application/wasm",
  ".svg": "image/svg+xml",
  ".png": "image/png"
}

/** Names with a hash of the content in them never change. */
const FOREVER = "public, max-age=31536000, immutable"

export const pageFiles = (folder: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    return (name: string): Effect.Effect<Response | undefined> =>
      Effect.gen(function* () {
        const type = types[path.extname(name)]
        const file = path.resolve(folder, name)
        if (type === undefined || !file.startsWith(`${path.resolve(folder)}${path.sep}`)) return undefined
        const bytes = yield* fs.readFile(file)
        const hashed = name.startsWith("assets/")
        return new Response(bytes as Uint8Array<ArrayBuffer>, {
          headers: { "content-type": type, "cache-control": hashed ? FOREVER : "no-cache" }
        })
      }).pipe(Effect.orElseSucceed(() => undefined))
  })
