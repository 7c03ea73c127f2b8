/**
 * The cache, in the layout of Hugging Face's own tools, so that downloads are shared with them:
 *
 *   models--owner--name/   refs/<revision>               the commit of a branch or tag (datasets--owner--name/ of a data set)
 *                          snapshots/<commit>/<file>     links to
 *                          blobs/<hash>                  SHA-256 of large files, git's SHA-1 of small ones
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import { type Files, parseBoundedJson, partFiles, readTextFile, temporaryFor } from "../files/index.ts"
import { INDEX_FILE, SINGLE_FILE } from "../safetensors/index.ts"
import { type HubError, hubError } from "./hub.ts"
import type { HubSource } from "./hub-source.ts"

export interface RepositoryCache {
  readonly blob: (hash: string) => string
  readonly ref: (revision: string) => string
  readonly snapshot: (commit: string) => string
}

export const isCommit = (revision: string): boolean => /^[0-9a-f]{40}$/.test(revision)

export const repositoryCache = (path: Path.Path, cache: string, { type, repository }: HubSource): RepositoryCache => {
  const root = path.join(cache, `${type}s--${repository.replace("/", "--")}`)
  return {
    blob: (hash) => path.join(root, "blobs", hash),
    ref: (revision) => path.join(root, "refs", revision),
    snapshot: (commit) => path.join(root, "snapshots", commit)
  }
}

/** Finds the files of a source in the cache. Returns null if any is missing. `content`: what is needed of a repository if the address names no file. */
export const cached = (
  cache: RepositoryCache,
  { revision, file }: HubSource,
  content: {
    readonly needed: (folder: string) => Effect.Effect<ReadonlyArray<string> | null, never, Files>
  }
): Effect.Effect<string | null, never, Files> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const commit = isCommit(revision) ? revision : (yield* readOr(cache.ref(revision), "")).trim()
    if (!isCommit(commit)) return null
    const folder = cache.snapshot(commit)
    const requiredFiles = file === null ? yield* content.needed(folder) : (partFiles(file) ?? [file])
    if (requiredFiles === null) return null
    const present = yield* Effect.forEach(requiredFiles, (name) => exists(path.join(folder, name)))
    return present.every(Boolean) ? path.join(folder, file ?? "") : null
  })

/** Lists the weight files that a folder must contain: those of its index, if it has one. */
export const weightFiles = (folder: string): Effect.Effect<ReadonlyArray<string>, never, Files> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    if (yield* exists(path.join(folder, SINGLE_FILE))) return [SINGLE_FILE]
    return shardsOf(yield* readOr(path.join(folder, INDEX_FILE), "{}")) ?? [SINGLE_FILE]
  })

/** Lists the shards that an index names. Returns undefined for an invalid index, or if a path leads out of its folder. */
export const shardsOf = (index: string): ReadonlyArray<string> | undefined => {
  const parsed = parseBoundedJson(index)
  const map = "problem" in parsed ? undefined : (parsed.value as { readonly weight_map?: unknown } | null)?.weight_map
  if (typeof map !== "object" || map === null) return undefined
  const shards = [...new Set(Object.values(map as Record<string, unknown>))]
  const names = shards.filter((shard) => typeof shard === "string" && /^[\w.-]+\.safetensors$/.test(shard))
  return names.length === shards.length && names.length > 0 ? (names as ReadonlyArray<string>) : undefined
}

const readOr = (file: string, otherwise: string) => readTextFile(file).pipe(Effect.orElseSucceed(() => otherwise))

/** Checks whether a file exists. Follows links; a link without its blob does not count. */
export const exists = (file: string): Effect.Effect<boolean, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return yield* fs.exists(file).pipe(Effect.orElseSucceed(() => false))
  })

/**
 * Creates a folder of the cache. Fails if a link on the way leads out of the cache, since downloads would be written elsewhere. The
 * cache folder itself may be a link.
 */
export const makeFolder = (
  { source }: HubSource,
  cache: string,
  folder: string
): Effect.Effect<void, HubError | PlatformError, Files> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    yield* fs.makeDirectory(cache, { recursive: true })
    let above = folder
    while (!(yield* exists(above))) above = path.dirname(above)
    const real = yield* fs.realPath(above)
    if (path.relative(yield* fs.realPath(cache), real).split(path.sep)[0] === "..") {
      const remedy = "remove the link, or set HF_HUB_CACHE to another folder"
      return yield* hubError(
        source,
        `the folder ${above} is a link that points outside of the cache, to ${real}; ${remedy}`
      )
    }
    yield* fs.makeDirectory(folder, { recursive: true })
  })

/** Links a file of a snapshot to its blob; copies the blob where links are not supported. */
export const linkBlob = (
  blob: string,
  file: string
): Effect.Effect<void, PlatformError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    // files of a commit never change: an existing one is correct
    if (yield* exists(file)) return
    yield* fs.remove(file, { force: true })
    const copy = yield* temporaryFor(file)
    yield* fs.remove(copy, { force: true })
    yield* fs
      .symlink(path.relative(path.dirname(file), blob), file)
      .pipe(
        Effect.catchTag("PlatformError", (error) =>
          error.reason._tag === "AlreadyExists"
            ? Effect.void
            : Effect.andThen(fs.copyFile(blob, copy), fs.rename(copy, file))
        )
      )
  })
