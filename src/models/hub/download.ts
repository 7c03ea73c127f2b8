/**
 * One file of the Hub into the cache: to `<hash>.incomplete`, which a later call continues, then checked against its hash and renamed.
 *
 * A broken connection is resumed where it broke. After five attempts without a new byte the download fails and keeps what has arrived.
 */
import type { Hash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { isGone, ownerIn, thisProcess } from "../../files/index.ts"
import { exists, type RepositoryCache } from "./cache.ts"
import { type HubError, type HubSettings, type HubSource, hubError } from "./hub-source.ts"
import { call, hub, type RemoteFile, unreachable } from "./remote.ts"

const attempts = 5
/** a connection that brings no byte for this long counts as broken */
const patience = "60 seconds"

export interface Download {
  readonly hubSource: HubSource
  readonly settings: HubSettings
  readonly cache: RepositoryCache
  readonly commit: string
  readonly onProgress: (file: string, bytes: number, size: number) => void
}

type Files = FileSystem.FileSystem | Path.Path

/** The blob of a file, downloaded where it is not in the cache. */
export const downloadBlob = (
  download: Download,
  file: RemoteFile
): Effect.Effect<string, HubError | PlatformError, Files> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const blob = download.cache.blob(file.hash)
    if (yield* exists(blob)) return blob
    yield* fs.makeDirectory(path.dirname(blob), { recursive: true })
    const incomplete = `${blob}.incomplete`
    yield* lockDownload(`${blob}.lock`, incomplete)
    // the lock's last holder may have downloaded it
    if (yield* exists(blob)) return blob
    yield* complete(download, file, incomplete)
    yield* check(download, file, incomplete)
    yield* fs.rename(incomplete, blob)
    return blob
  }).pipe(Effect.scoped)

/** Fetches what is missing of a file, over as many connections as that takes. */
const complete = (download: Download, file: RemoteFile, incomplete: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    // an empty file is not requested
    if (file.size === 0) yield* fs.writeFile(incomplete, new Uint8Array(0))
    let there = yield* sizeOf(incomplete)
    let fruitless = 0
    while (there < file.size) {
      const broken = yield* append(download, file, incomplete, there).pipe(
        Effect.as(undefined),
        Effect.catchTag("Unreachable", Effect.succeed)
      )
      const now = yield* sizeOf(incomplete)
      fruitless = now > there ? 0 : fruitless + 1
      there = now
      if (fruitless < attempts) continue
      const place = `${file.path} broke off at byte ${there} of ${file.size}`
      const reason = broken?.reason ?? "the server ended the answer"
      const { source } = download.hubSource
      return yield* hubError(source, `${place} (${reason}); what there is is kept, try again to go on`)
    }
  })

/** Removes a file that has not the hash that the Hub names, and fails. */
const check = ({ hubSource: { source } }: Download, file: RemoteFile, incomplete: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const size = yield* sizeOf(incomplete)
    const found = size === file.size ? yield* hashOf(incomplete, file) : `that of ${size} bytes instead of ${file.size}`
    if (found === file.hash) return
    yield* fs.remove(incomplete)
    const hashes = `its hash is ${found}, expected ${file.hash}`
    return yield* hubError(source, `${file.path} arrived damaged: ${hashes}; try again`)
  })

const sizeOf = (file: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return (yield* exists(file)) ? Number((yield* fs.stat(file)).size) : 0
  })

/** Requests what is missing and appends it. */
const append = ({ hubSource, settings, commit, onProgress }: Download, file: RemoteFile, to: string, from: number) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { source, repository } = hubSource
    const controller = yield* Effect.acquireRelease(
      Effect.sync(() => new AbortController()),
      (controller) => Effect.sync(() => controller.abort())
    )
    const body = yield* call(source, settings, async (options) => {
      const { downloadFile } = await hub()
      const ended = (input: RequestInfo | URL, init?: RequestInit) =>
        fetch(input, { ...init, signal: controller.signal })
      // plain requests for ranges: they can be resumed, and what arrives has the hash that the listing names
      const whole = await downloadFile({
        ...options,
        fetch: ended as typeof fetch,
        repo: repository,
        path: file.path,
        revision: commit,
        xet: false
      })
      return whole?.slice(from, file.size).stream().getReader()
    }).pipe(Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.fail(unreachable("no answer")) }))
    if (body === undefined) return yield* hubError(source, `${file.path} is listed, and not there`)
    const handle = yield* fs.open(to, { flag: "a" })
    let place = from
    while (true) {
      const { done, value } = yield* Effect.tryPromise({
        try: () => body.read(),
        catch: unreachable
      }).pipe(Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.fail(unreachable("no byte came")) }))
      if (done || value === undefined) return
      yield* handle.writeAll(value)
      place += value.length
      onProgress(file.path, place, file.size)
    }
  }).pipe(Effect.scoped)

const hashOf = (path: string, { kind, size }: RemoteFile) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const hash = newHash(kind)
    if (kind === "git") hash.update(`blob ${size}\0`)
    yield* Stream.runForEach(fs.stream(path), (bytes) => Effect.sync(() => void hash.update(bytes)))
    return hash.digest("hex")
  })

/** Node's module comes from the running process and is not imported, so that a bundle for a browser does without it. */
const newHash = (kind: RemoteFile["kind"]): Hash =>
  process.getBuiltinModule("node:crypto").createHash(kind === "git" ? "sha1" : "sha256")

/** twice the patience of a download: its file has grown by then, or it has ended */
const longest = 120_000

/**
 * One process at a time downloads a file: `<hash>.lock` beside it names that process. Waits for the lock and holds it until the scope ends.
 * A lock is removed if its process is gone, or if neither it nor `growing`, the file that grows during a download, was written for longer
 * than `longest`. Should two processes hold it after all, the hash will show it.
 */
const lockDownload = (
  lock: string,
  growing: string
): Effect.Effect<void, PlatformError, FileSystem.FileSystem | Scope.Scope> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const own = JSON.stringify(yield* thisProcess)
    const take: Effect.Effect<void, PlatformError> = fs.writeFileString(lock, own, { flag: "wx" }).pipe(
      Effect.catchIf(
        ({ reason }) => reason._tag === "AlreadyExists",
        () =>
          isStale(fs, lock, growing).pipe(
            Effect.provideService(FileSystem.FileSystem, fs),
            Effect.flatMap((stale) => (stale ? fs.remove(lock, { force: true }) : Effect.sleep("200 millis"))),
            Effect.andThen(Effect.suspend(() => take))
          )
      )
    )
    yield* Effect.acquireRelease(Effect.interruptible(take), () => Effect.ignore(fs.remove(lock)))
  })

const isStale = (fs: FileSystem.FileSystem, lock: string, growing: string) =>
  Effect.gen(function* () {
    const holder = ownerIn(yield* fs.readFileString(lock).pipe(Effect.orElseSucceed(() => "")))
    if (holder !== undefined && (yield* isGone(holder))) return true
    const ages = yield* Effect.forEach([lock, growing], (file) => ageOf(fs, file))
    return Math.min(...ages) > longest
  })

/** Milliseconds since the file was written; infinite where it is not there. */
const ageOf = (fs: FileSystem.FileSystem, file: string) =>
  fs.stat(file).pipe(
    Effect.map(({ mtime }) => (mtime._tag === "Some" ? Date.now() - mtime.value.getTime() : Number.POSITIVE_INFINITY)),
    Effect.orElseSucceed(() => Number.POSITIVE_INFINITY)
  )
