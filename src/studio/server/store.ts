/**
 * Files that are dropped on the page, as files below `data/`: what a plan names. They come one by one, and belong together by the number of
 * their drop. Until all are there they lie in a folder of their own; then they get a name that is free, or the one that has the same bytes already.
 *
 *   PUT  /store/PATH?drop=ID    a file of a drop, under the path that it has there
 *   POST /store?drop=ID         no more come: {"source": "data/reviews.csv"}, or the folder that they are in together
 */

import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { type LimitName, limit, overLimit } from "../../boundary/index.ts"
import { type FileError, type Files, fileError, namesIn } from "../../files/index.ts"
import { RequestRefused, segmentsOf } from "./requests.ts"

export interface Store {
  /** Takes the bytes of a file. */
  readonly write: (
    path: string,
    drop: string | null,
    request: Request
  ) => Effect.Effect<void, RequestRefused | FileError, Files>
  /** Gives the files of a drop their name. */
  readonly finish: (drop: string | null) => Effect.Effect<string, RequestRefused | FileError, Files>
  /** Removes unfinished drops of an earlier studio. */
  readonly clear: Effect.Effect<void, never, Files>
  /** Removes drops of pages that are gone. */
  readonly sweep: Effect.Effect<void, never, Files>
}

const FOLDER = "data"
const UNFINISHED = /^\.drop-[\w-]+$/

interface Drop {
  bytes: number
  files: number
  /** of the last file that began or ended */
  at: number
  /** a file of it did not arrive: it comes to nothing, whatever else arrives */
  failed: boolean
  /** of the first segments of its paths; a drop of several files is one folder */
  readonly tops: Set<string>
}

const refused = (reason: string, status = 400) => new RequestRefused({ status, message: reason })

const over = (name: LimitName) => refused(`the dropped files have more than ${overLimit(name)}`, 413)

/** Names as files have them everywhere: what some systems cannot have becomes "_". */
const cleaned = (segment: string): string => segment.replace(/[<>:"|?*]/g, "_").replace(/^\.+|[. ]+$/g, "_")

/** milliseconds after which a page that sends nothing more is gone */
const PATIENCE = 5 * 60_000

export const openStore = (): Store => {
  const drops = new Map<string, Drop>()
  const naming = Semaphore.makeUnsafe(1)

  const dropOf = (id: string | null) => {
    if (id === null || !/^[\w-]{8,64}$/.test(id)) return undefined
    return `${FOLDER}/.drop-${id}`
  }

  const write: Store["write"] = (path, id, request) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const folder = dropOf(id)
      const segments = segmentsOf(path)?.map(cleaned)
      if (folder === undefined || segments === undefined)
        return yield* refused("expected a file path and the number of its drop")
      if (request.body === null) return yield* refused("expected the file as the body")
      const drop = drops.get(folder) ?? { bytes: 0, files: 0, at: 0, failed: false, tops: new Set() }
      if (drop.failed) return yield* refused("another file of this drop failed to upload")
      drops.set(folder, drop)
      drop.files += 1
      drop.at = Date.now()
      drop.tops.add(segments[0]!)
      if (drop.files > limit("image-files")) return yield* over("image-files")
      const target = [folder, ...segments].join("/")
      const parent = [folder, ...segments.slice(0, -1)].join("/")
      yield* fs.makeDirectory(parent, { recursive: true }).pipe(Effect.mapError(fileError("write", parent)))
      const reader = (request.body as ReadableStream<Uint8Array>).getReader()
      const broken = () => refused("the file was only partly uploaded")
      const next = Effect.tryPromise({ try: () => reader.read(), catch: broken }).pipe(
        Effect.timeoutOrElse({ duration: 1_000 * limit("serve-body-seconds"), orElse: () => Effect.fail(broken()) })
      )
      const write = Effect.gen(function* () {
        // a name that is there twice is a mistake of the page, and never written over
        const handle = yield* fs.open(target, { flag: "wx" }).pipe(Effect.mapError(fileError("write", target)))
        while (true) {
          const { done, value } = yield* next
          if (done) return
          drop.bytes += value.byteLength
          if (drop.bytes > limit("studio-store-bytes")) return yield* over("studio-store-bytes")
          if (value.byteLength > 0) yield* handle.writeAll(value).pipe(Effect.mapError(fileError("write", target)))
        }
      }).pipe(Effect.scoped)
      yield* write.pipe(
        Effect.onExit(() =>
          Effect.sync(() => {
            drop.at = Date.now()
          })
        ),
        Effect.onError(() => {
          drop.failed = true
          void reader.cancel().catch(() => {})
          return Effect.ignore(fs.remove(folder, { recursive: true, force: true }))
        })
      )
    })

  const finish: Store["finish"] = (id) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const folder = dropOf(id)
      const drop = folder === undefined ? undefined : drops.get(folder)
      if (folder === undefined || drop === undefined || drop.failed) return yield* refused("the upload is incomplete")
      drops.delete(folder)
      // files without a folder that came together get one
      const [top = "files"] = drop.tops
      const isTogether = drop.tops.size === 1
      const from = isTogether ? `${folder}/${top}` : folder
      const name = isTogether ? top : "files"
      // one at a time, so that no two take the same name
      const source = yield* naming.withPermits(1)(named(from, name))
      yield* Effect.ignore(fs.remove(folder, { recursive: true, force: true }))
      return source
    })

  const clear: Store["clear"] = Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const names = yield* namesIn(FOLDER)
    for (const name of names) {
      if (UNFINISHED.test(name)) yield* Effect.ignore(fs.remove(`${FOLDER}/${name}`, { recursive: true }))
    }
  })

  const sweep: Store["sweep"] = Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    for (const [folder, { at }] of drops) {
      if (Date.now() - at < PATIENCE) continue
      drops.delete(folder)
      yield* Effect.ignore(fs.remove(folder, { recursive: true, force: true }))
    }
  })

  return { write, finish, clear, sweep }
}

/** Moves a file or a folder to `data/<name>`, to a name beside it where another has that; what is there with the same bytes is taken. */
const named = (from: string, name: string): Effect.Effect<string, FileError, Files> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const { name: stem, ext } = path.parse(name)
    for (let n = 1; ; n++) {
      const target = `${FOLDER}/${n === 1 ? name : `${stem}-${n}${ext}`}`
      const existing = yield* Effect.option(fs.lstat(target))
      if (existing._tag === "None") {
        yield* fs.rename(from, target).pipe(Effect.mapError(fileError("write", target)))
        return target
      }
      if (yield* isSame(from, target)) return target
    }
  })

/** The same names with the same bytes. */
const isSame = (a: string, b: string): Effect.Effect<boolean, never, Files> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const [first, second] = [yield* fs.lstat(a), yield* fs.lstat(b)]
    if (first.type !== second.type) return false
    if (first.type === "File") return first.size === second.size && (yield* sameBytes(a, b))
    if (first.type !== "Directory") return false
    const [names, otherNames] = [yield* fs.readDirectory(a), yield* fs.readDirectory(b)]
    if (names.length !== otherNames.length || !names.every((name) => otherNames.includes(name))) return false
    for (const name of names) if (!(yield* isSame(`${a}/${name}`, `${b}/${name}`))) return false
    return true
  }).pipe(Effect.orElseSucceed(() => false))

const PIECE = 1024 * 1024

const sameBytes = (a: string, b: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const pieces = (file: string) => fs.stream(file, { chunkSize: PIECE })
    return yield* Stream.zip(pieces(a), pieces(b)).pipe(
      Stream.runFold(
        () => true,
        (same, [left, right]) => same && left.length === right.length && left.every((byte, i) => byte === right[i])
      )
    )
  })
