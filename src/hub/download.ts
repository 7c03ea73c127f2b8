/**
 * Downloads one file of the Hub to the cache: to `<hash>.incomplete`, which a later call resumes, then checks its hash and renames it.
 *
 * After a broken connection, the missing range is requested (`answer.ts`). A response with the whole file is compared with the bytes received:
 * if they match, only the rest is written; if not, the file goes to `<hash>.incomplete-restarted`, which replaces the partial file once its
 * hash is correct.
 *
 * After five attempts that received next to nothing, the download fails and keeps the partial file. At most one byte is written beyond the
 * listed size, which shows that the file is larger.
 */
import type { Hash } from "node:crypto"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { limit, overLimit } from "../boundary/index.ts"
import { type Files, isGone, ownerIn, readExactly, readTextFile, thisProcess } from "../files/index.ts"
import { milliseconds, working } from "../progress/index.ts"
import { answerFrom, type KnownState } from "./answer.ts"
import { exists, type RepositoryCache } from "./cache.ts"
import { type HubError, hubError } from "./hub.ts"
import type { HubSettings, HubSource } from "./hub-source.ts"
import { type RemoteFile, unreachable } from "./remote.ts"

const attempts = 5
/** bytes that an attempt must receive to count as progress */
const leastBytes = 65_536
/** rate below which a connection counts as broken */
const slowest = 1_000 // bytes a second

export interface Download {
  readonly hubSource: HubSource
  readonly settings: HubSettings
  readonly cache: RepositoryCache
  readonly commit: string
  readonly onProgress: (file: string, bytes: number, size: number) => void
}

/** Returns the blob of a file, downloaded if the cache does not have it. */
export const downloadBlob = (
  download: Download,
  file: RemoteFile
): Effect.Effect<string, HubError | PlatformError, Files> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const blob = download.cache.blob(file.hash)
    if (yield* exists(blob)) return blob
    const incomplete = incompleteOf(blob)
    yield* lockDownload(`${blob}.lock`, incomplete, file.path)
    // the previous holder of the lock may have downloaded it
    if (yield* exists(blob)) return blob
    // anything else of this name would be written through
    const { type } = yield* fs.lstat(incomplete).pipe(Effect.orElseSucceed(() => ({ type: "File" })))
    if (type !== "File") yield* fs.remove(incomplete)
    yield* complete(download, file, incomplete)
    yield* check(download, file, incomplete)
    yield* fs.rename(incomplete, blob)
    return blob
  }).pipe(Effect.scoped)

const incompleteOf = (blob: string): string => `${blob}.incomplete`
const restartedOf = (incomplete: string): string => `${incomplete}-restarted`

/** Returns the bytes of the files that are not in the cache. */
export const missingBytes = (
  cache: RepositoryCache,
  files: ReadonlyArray<RemoteFile>
): Effect.Effect<number, PlatformError, FileSystem.FileSystem> =>
  Effect.map(
    Effect.forEach(files, ({ hash, size }) =>
      Effect.gen(function* () {
        const blob = cache.blob(hash)
        return (yield* exists(blob)) ? 0 : Math.max(0, size - (yield* sizeOf(incompleteOf(blob))))
      })
    ),
    (sizes) => sizes.reduce((sum, bytes) => sum + bytes, 0)
  )

/** Fetches the missing part of a file, over as many connections as necessary. */
const complete = (download: Download, file: RemoteFile, incomplete: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    // an empty file needs no request
    if (file.size === 0) yield* fs.writeFile(incomplete, new Uint8Array(0))
    let downloaded = yield* sizeOf(incomplete)
    let fruitless = 0
    const known: KnownState = {}
    const restarted = restartedOf(incomplete)
    while (downloaded < file.size) {
      yield* fs.remove(restarted, { force: true })
      const broken = yield* append(download, file, incomplete, downloaded, known).pipe(
        Effect.as(undefined),
        Effect.catchTag("Unreachable", Effect.succeed)
      )
      if ((yield* sizeOf(restarted)) >= file.size) {
        yield* check(download, file, restarted)
        yield* fs.rename(restarted, incomplete)
      }
      const now = yield* sizeOf(incomplete)
      fruitless = now - downloaded >= leastBytes ? 0 : fruitless + 1
      downloaded = now
      if (fruitless < attempts) continue
      const progress = `${file.path} broke off at byte ${downloaded} of ${file.size}`
      const reason = broken?.reason ?? "the server closed the connection"
      const { source } = download.hubSource
      return yield* hubError(source, `${progress} (${reason}); the part so far is kept; try again to resume`)
    }
  }).pipe(Effect.ensuring(Effect.ignore(removed(restartedOf(incomplete)))))

const removed = (file: string) => Effect.flatMap(FileSystem.FileSystem, (fs) => fs.remove(file, { force: true }))

/** Removes a file whose hash differs from the one on the Hub, and fails. */
const check = ({ hubSource: { source } }: Download, file: RemoteFile, incomplete: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const size = yield* sizeOf(incomplete)
    const checksum =
      size === file.size ? yield* hashOf(incomplete, file) : `that of ${size} bytes instead of ${file.size}`
    if (checksum === file.hash) return
    yield* fs.remove(incomplete)
    const hashes = `its hash is ${checksum}, expected ${file.hash}`
    return yield* hubError(source, `${file.path} arrived damaged: ${hashes}; try again`)
  })

/** Returns the size of a file, or 0 if it does not exist: another process may rename it at any time. */
const sizeOf = (file: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return Number((yield* fs.stat(file)).size)
  }).pipe(
    Effect.catchIf(
      ({ reason }) => reason._tag === "NotFound",
      () => Effect.succeed(0)
    )
  )

/** Requests the missing bytes and appends them. A response with the whole file that does not match the bytes received starts the restarted file. */
const append = (download: Download, file: RemoteFile, incomplete: string, from: number, known: KnownState) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const controller = yield* Effect.acquireRelease(
      Effect.sync(() => new AbortController()),
      (controller) => Effect.sync(() => controller.abort())
    )
    const { body, begin, end } = yield* answerFrom(download, file, from, known, controller.signal)
    let to = yield* fs.open(incomplete, { flag: "a" })
    let arrived = begin < from ? yield* fs.open(incomplete) : undefined
    const seconds = limit("hub-seconds")
    const tooSlow = unreachable(`less than ${slowest} bytes per second arrived for ${overLimit("hub-seconds")}`)
    let received = begin
    let lastCheck = { at: yield* milliseconds, there: received }
    while (received < end) {
      const { done, value } = yield* Effect.tryPromise({
        try: () => body.read(),
        catch: unreachable
      }).pipe(Effect.timeoutOrElse({ duration: Duration.seconds(seconds), orElse: () => Effect.fail(tooSlow) }))
      if (done || value === undefined) return
      const part = value.subarray(0, end - received)
      let added = part
      if (arrived !== undefined) {
        const had = yield* readExactly(arrived, received, Math.min(part.length, from - received))
        if (had.every((byte, i) => byte === part[i])) added = part.subarray(had.length)
        else {
          const restarted = restartedOf(incomplete)
          yield* Stream.run(fs.stream(incomplete, { bytesToRead: received }), fs.sink(restarted))
          to = yield* fs.open(restarted, { flag: "a" })
        }
        if (added === part || received + part.length >= from) arrived = undefined
      }
      if (added.length > 0) yield* to.writeAll(added)
      received += part.length
      download.onProgress(file.path, received, file.size)
      yield* working(`downloading ${file.path}`, {
        done: megabytes(received),
        of: megabytes(file.size),
        unit: "MB",
        isKept: true
      })
      const now = yield* milliseconds
      if (now - lastCheck.at < seconds * 1_000) continue
      if (received - lastCheck.there < seconds * slowest) return yield* tooSlow
      lastCheck = { at: now, there: received }
      // bytes that are only compared also show other processes that this one is alive
      yield* fs.utimes(incomplete, new Date(), new Date())
    }
  }).pipe(Effect.scoped)

const megabytes = (bytes: number): number => Math.ceil(bytes / 1e6)

const hashOf = (path: string, { kind, size }: RemoteFile) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const hash = newHash(kind)
    if (kind === "git") hash.update(`blob ${size}\0`)
    yield* Stream.runForEach(fs.stream(path), (bytes) => Effect.sync(() => void hash.update(bytes)))
    return hash.digest("hex")
  })

/** Node's module is taken from the running process instead of imported, so that browser bundles do not include it. */
const newHash = (kind: RemoteFile["kind"]): Hash =>
  process.getBuiltinModule("node:crypto").createHash(kind === "git" ? "sha1" : "sha256")

/** Milliseconds within which the file of a running download must grow. */
const longest = () => 2_000 * limit("hub-seconds")

/**
 * Lets one process at a time download a file: `<hash>.lock` next to it names that process. Waits for the lock and holds it until the scope
 * closes. Removes a lock whose process no longer runs, or if neither the lock nor `growing`, the file being downloaded, was written for longer
 * than `longest`. Should two processes hold it nevertheless, the hash check detects it.
 */
const lockDownload = (
  lock: string,
  growing: string,
  name: string
): Effect.Effect<void, PlatformError, FileSystem.FileSystem | Scope.Scope> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const owner = JSON.stringify(yield* thisProcess)
    const wait = Effect.andThen(working(`waiting for another download of ${name}`), Effect.sleep("200 millis"))
    const take: Effect.Effect<void, PlatformError> = fs.writeFileString(lock, owner, { flag: "wx" }).pipe(
      Effect.catchIf(
        ({ reason }) => reason._tag === "AlreadyExists",
        () =>
          isStale(fs, lock, growing).pipe(
            Effect.provideService(FileSystem.FileSystem, fs),
            Effect.flatMap((stale) => (stale ? fs.remove(lock, { force: true }) : wait)),
            Effect.andThen(Effect.suspend(() => take))
          )
      )
    )
    yield* Effect.acquireRelease(Effect.interruptible(take), () => Effect.ignore(fs.remove(lock)))
  })

const isStale = (fs: FileSystem.FileSystem, lock: string, growing: string) =>
  Effect.gen(function* () {
    const holder = ownerIn(yield* readTextFile(lock, 10_000).pipe(Effect.orElseSucceed(() => "")))
    if (holder !== undefined && (yield* isGone(holder))) return true
    const ages = yield* Effect.forEach([lock, growing], (file) => ageOf(fs, file))
    return Math.min(...ages) > longest()
  })

/** Returns the milliseconds since a file was written; Infinity if it does not exist. */
const ageOf = (fs: FileSystem.FileSystem, file: string) =>
  fs.stat(file).pipe(
    Effect.map(({ mtime }) => (mtime._tag === "Some" ? Date.now() - mtime.value.getTime() : Number.POSITIVE_INFINITY)),
    Effect.orElseSucceed(() => Number.POSITIVE_INFINITY)
  )
