/**
 * Resolves `hf:owner/name@revision` to a local folder (`hf:owner/name/file.gguf` to a local file), downloaded if the cache does not have it.
 *
 * Downloads the config, tokenizer, chat template, sentence-transformers configuration, model card and safetensors weights only. A commit that is complete in the cache needs no
 * network. A branch or tag is looked up; if the Hub does not respond (or HF_HUB_OFFLINE is set), the cached state of it is used.
 */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import { cut, limit, listed, overLimit, wholeNumber } from "../boundary/index.ts"
import { type Files, partFiles, platformReason, readTextFile, writeFileAtomic } from "../files/index.ts"
import { INDEX_FILE, SINGLE_FILE } from "../safetensors/index.ts"
import { cached, isCommit, linkBlob, makeFolder, repositoryCache, shardsOf, weightFiles } from "./cache.ts"
import { type Download, downloadBlob, missingBytes } from "./download.ts"
import { type HubError, hubError, isHubSource } from "./hub.ts"
import { type HubSettings, type HubSource, parseHubSource, readSettings } from "./hub-source.ts"
import { commitOf, filesOf, type RemoteFile } from "./remote.ts"

/** files in addition to the weights */
const configFiles =
  /^(config|generation_config|special_tokens_map|added_tokens|modules|config_sentence_transformers|sentence_bert_config|1_Pooling\/config)\.json$|^tokenizer[\w.-]*$|^chat_template\.jinja$/

/** Maximum size of a model card that is downloaded, for the model's languages and licence. */
const mostOfCard = 2 ** 20 // bytes

/** Small files of a model. */
const isWanted = ({ path, size }: RemoteFile): boolean =>
  configFiles.test(path) || (path === "README.md" && size <= mostOfCard)

export interface ResolveOptions {
  /** receives the bytes of a file as they arrive */
  readonly onProgress?: (file: string, bytes: number, size: number) => void
}

/** Files to download from a repository if the address does not name one. */
export interface Content {
  /** the commit of the branch or tag is not recorded in the cache, since files that other tools expect may be missing */
  readonly partial?: true
  /** files that the folder must contain; null: not known yet */
  readonly needed: (folder: string) => Effect.Effect<ReadonlyArray<string> | null, never, Files>
  readonly take: <E, R>(
    hubSource: HubSource,
    files: ReadonlyArray<RemoteFile>,
    folder: string,
    take: (files: ReadonlyArray<RemoteFile>) => Effect.Effect<void, E, R>
  ) => Effect.Effect<void, E | HubError, R | Files>
}

/** Returns the local path of a source. Returns a source that is not a Hub address unchanged: it already is a path. */
export const resolveSource = (source: string, options?: ResolveOptions): Effect.Effect<string, HubError, Files> =>
  resolved(source, model, options)

/** The same without the weights: small files only. Downloads a GGUF file whole. */
export const resolveConfig = (source: string, options?: ResolveOptions): Effect.Effect<string, HubError, Files> =>
  resolved(source, config, options)

/** The same for a PEFT adapter: its configuration, its tensors, and the tokenizer files next to them. */
export const resolveAdapter = (source: string, options?: ResolveOptions): Effect.Effect<string, HubError, Files> =>
  resolved(source, adapter, options)

const resolved = (source: string, content: Content, options?: ResolveOptions): Effect.Effect<string, HubError, Files> =>
  Effect.gen(function* () {
    if (!isHubSource(source)) return source
    const settings = yield* readSettings(source)
    return yield* placed(yield* parseHubSource(source), settings, content, options)
  })

/** Returns the local folder of an address's commit, or its file. */
export const placed = (
  hubSource: HubSource,
  settings: HubSettings,
  content: Content,
  { onProgress = () => undefined }: ResolveOptions = {}
): Effect.Effect<string, HubError, Files> =>
  Effect.gen(function* () {
    const { source } = hubSource
    const cache = repositoryCache(yield* Path.Path, settings.cache, hubSource)
    const local = yield* cached(cache, hubSource, content)
    if (local !== null && (settings.offline || isCommit(hubSource.revision))) return local
    if (settings.offline)
      return yield* hubError(source, notHere(settings, "HF_HUB_OFFLINE is set; unset it to download"))
    return yield* fetched(hubSource, settings, content, onProgress).pipe(
      Effect.catchTag("Unreachable", ({ reason }) =>
        local === null
          ? Effect.fail(
              hubError(source, notHere(settings, `${settings.endpoint} does not respond (${reason}); ${CONNECT}`))
            )
          : Effect.succeed(local)
      ),
      Effect.catchTags({
        PlatformError: (error) => Effect.fail(hubError(source, unusable(settings, platformReason(error)))),
        FileError: ({ reason }) => Effect.fail(hubError(source, unusable(settings, reason)))
      })
    )
  })

const CONNECT = "check the network connection and try again; the bytes so far are kept"

const unusable = ({ cache }: HubSettings, reason: string): string => `the cache ${cache} cannot be used: ${reason}`

const notHere = ({ cache }: HubSettings, reason: string): string =>
  `is not complete in the cache ${cache}, and ${reason}`

const fetched = (hubSource: HubSource, settings: HubSettings, content: Content, onProgress: Download["onProgress"]) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const cache = repositoryCache(path, settings.cache, hubSource)
    const commit = isCommit(hubSource.revision) ? hubSource.revision : yield* commitOf(hubSource, settings)
    const files = yield* filesOf(hubSource, commit, settings)
    const download: Download = { hubSource, settings, cache, commit, onProgress }
    const folder = cache.snapshot(commit)
    const inside = path.join(folder, hubSource.file ?? "any")
    const ref = isCommit(hubSource.revision) ? undefined : cache.ref(hubSource.revision)
    for (const file of [cache.blob(commit), inside, ...(ref === undefined ? [] : [ref])]) {
      yield* makeFolder(hubSource, settings.cache, path.dirname(file))
    }
    const take = (files: ReadonlyArray<RemoteFile>) =>
      Effect.gen(function* () {
        yield* checkRoom(download, yield* missingBytes(cache, files))
        for (const file of files) {
          const filePath = path.join(folder, file.path)
          yield* makeFolder(hubSource, settings.cache, path.dirname(filePath))
          yield* linkBlob(yield* downloadBlob(download, file), filePath)
        }
      })
    if (hubSource.file === null) yield* content.take(hubSource, files, folder, take)
    else {
      // a split GGUF file consists of all its parts
      const parts = partFiles(hubSource.file) ?? [hubSource.file]
      yield* take(yield* Effect.forEach(parts, (part) => named(hubSource, files, part)))
    }
    const partial = content.partial === true && hubSource.file === null
    if (ref !== undefined && !partial) yield* writeFileAtomic(ref, commit)
    return hubSource.file === null ? folder : path.join(folder, hubSource.file)
  })

/** Fails if the download exceeds the limit or the free disk space. */
const checkRoom = ({ hubSource: { source }, settings: { cache } }: Download, missing: number) =>
  Effect.gen(function* () {
    const bytes = `${wholeNumber(missing)} bytes must be downloaded`
    if (missing > limit("hub-bytes")) return yield* hubError(source, `${bytes}, more than ${overLimit("hub-bytes")}`)
    const disk = Effect.tryPromise(() => process.getBuiltinModule("node:fs/promises").statfs(cache))
    // if the free space is unknown, writing will show it
    const free = yield* Effect.match(disk, {
      onSuccess: ({ bavail, bsize }) => bavail * bsize,
      onFailure: () => Number.POSITIVE_INFINITY
    })
    if (missing > free) {
      const room = `${cache} has room for ${wholeNumber(free)}`
      return yield* hubError(source, `${bytes}, but ${room}; free some space, or set HF_HUB_CACHE to another folder`)
    }
  })

/** Downloads small files first and weights last: a folder with all its weights is complete. */
const takeFolder = <E, R>(
  hubSource: HubSource,
  files: ReadonlyArray<RemoteFile>,
  folder: string,
  take: (files: ReadonlyArray<RemoteFile>) => Effect.Effect<void, E, R>
) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    yield* named(hubSource, files, "config.json")
    const single = files.find((file) => file.path === SINGLE_FILE)
    const index = files.find((file) => file.path === INDEX_FILE)
    if (single === undefined && index === undefined) return yield* hubError(hubSource.source, withoutWeights(files))
    const small = files.filter(isWanted)
    if (single !== undefined) return yield* take([...small, single])
    yield* take([...small, index!])
    const text = yield* readTextFile(path.join(folder, INDEX_FILE)).pipe(
      Effect.mapError(({ message }) => hubError(hubSource.source, message))
    )
    const shards = shardsOf(text)
    if (shards === undefined) {
      return yield* hubError(hubSource.source, `${INDEX_FILE} does not name .safetensors files of its own folder`)
    }
    const missing = shards.filter((shard) => !files.some((file) => file.path === shard))
    if (missing.length > 0) {
      return yield* hubError(
        hubSource.source,
        `${INDEX_FILE} names ${listed(missing).join(", ")}, which the repository lacks`
      )
    }
    yield* take(yield* Effect.forEach(shards, (shard) => named(hubSource, files, shard)))
  })

const model: Content = {
  needed: (folder) => Effect.map(weightFiles(folder), (files) => ["config.json", ...files]),
  take: takeFolder
}

const config: Content = {
  partial: true,
  needed: () => Effect.succeed(["config.json"]),
  take: (hubSource, files, _, take) =>
    Effect.gen(function* () {
      yield* named(hubSource, files, "config.json")
      yield* take(files.filter(isWanted))
    })
}

const [ADAPTER_CONFIG, ADAPTER_WEIGHTS] = ["adapter_config.json", "adapter_model.safetensors"] as const
/** head over mean pooling, in adapters that this package saved */
const HEAD = "head.safetensors"

const adapter: Content = {
  needed: () => Effect.succeed([ADAPTER_CONFIG, ADAPTER_WEIGHTS]),
  take: (hubSource, files, _, take) =>
    Effect.gen(function* () {
      const config = yield* named(hubSource, files, ADAPTER_CONFIG)
      const pickle = files.some((file) => file.path === "adapter_model.bin")
      if (pickle && !files.some((file) => file.path === ADAPTER_WEIGHTS)) {
        const reason = `has its weights in adapter_model.bin, a pickle, which can run arbitrary code when it is read`
        const remedy = "if you trust it, load it with PEFT in Python and save it with safe_serialization=True"
        return yield* hubError(hubSource.source, `${reason}; ${remedy}`)
      }
      const weights = yield* named(hubSource, files, ADAPTER_WEIGHTS)
      yield* take([...files.filter(({ path }) => configFiles.test(path) || path === HEAD), config, weights])
    })
}

export const named = ({ source, type }: HubSource, files: ReadonlyArray<RemoteFile>, name: string) => {
  const match = files.find((file) => file.path === name)
  if (match !== undefined) return Effect.succeed(match)
  const alike = files
    .filter((file) =>
      (type === "model" ? /\.(gguf|safetensors|json)$/ : /\.(parquet|csv|tsv|jsonl?|ndjson)(\.gz)?$/).test(file.path)
    )
    .map((file) => cut(file.path))
  const suggestions =
    alike.length === 0 ? "" : `; it has ${alike.slice(0, 8).join(", ")}${alike.length > 8 ? ", …" : ""}`
  return Effect.fail(hubError(source, `has no file ${name}${suggestions}`))
}

/** Weight formats that are not supported; pickled files run code when they are opened. */
const otherWeights = /^(pytorch_model[\w.-]*\.bin|tf_model\.h5|flax_model\.msgpack|(onnx\/)?[\w.-]+\.onnx)$/

const withoutWeights = (files: ReadonlyArray<RemoteFile>): string => {
  const none = `has neither ${SINGLE_FILE} nor ${INDEX_FILE}`
  const gguf = files.find((file) => file.path.endsWith(".gguf"))
  if (gguf !== undefined) return `${none}; it has GGUF files, name one of them (…/${cut(gguf.path)})`
  const unsupported = files.find((file) => otherWeights.test(file.path))
  if (unsupported === undefined) return none
  const converted = "load it with from_pretrained and save it with save_pretrained in Python's transformers"
  return `${none}, and ${cut(unsupported.path)} is not supported; use a repository or a revision with safetensors, or convert it: ${converted}`
}
