/**
 * One file of the Hub into the cache: to `<hash>.incomplete`, which a later call goes on with, then checked against its hash and renamed.
 *
 * A connection that breaks is taken up where it broke; five times without a new byte, and the file is given up, what there is of it kept.
 */
import type { Hash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Stream from "effect/Stream"
import type { RepositoryCache } from "./cache.ts"
import { exists } from "./cache.ts"
import { lockDownload } from "./download-lock.ts"
import { type HubError, hubError } from "./hub-error.ts"
import type { HubSource } from "./hub-source.ts"
import { call, hub, type RemoteFile, unreachable } from "./remote.ts"
import type { HubSettings } from "./settings.ts"

const attempts = 5
/** no byte for so long, and the connection counts as broken */
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
    // whoever held the lock before may have brought it
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
    // an empty file is asked for by nobody
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

/** Asks for what is missing and writes it behind what is there. */
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

/** Node's module comes from the running process and is not imported: a bundle for a browser holds nothing of it. */
const newHash = (kind: RemoteFile["kind"]): Hash =>
  process.getBuiltinModule("node:crypto").createHash(kind === "git" ? "sha1" : "sha256")
