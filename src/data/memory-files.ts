/**
 * Files in memory, for programs without a file system: a browser page provides the files that it has fetched, and all code that reads and writes
 * files (plans, models, data, adapters) uses those. The working directory is "/".
 *
 * @example
 * import { Effect } from "effect"
 * import { fetchFiles, memoryFiles } from "tfjs-lora-pro/data"
 * import { load } from "tfjs-lora-pro/models"
 *
 * const model = Effect.gen(function* () {
 *   const files = memoryFiles(
 *     yield* fetchFiles("/models/minilm/", ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"])
 *   )
 *   const labels = ["negative", "positive"]
 *   return yield* load({ source: ".", task: "classification", labels }).pipe(Effect.provide(files.layer))
 * })
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import { type PlatformError, systemError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import { limit, overLimit, withoutSecrets } from "../boundary/index.ts"
import { infoOf, readAnswer } from "../files/index.ts"
import { Hub, hubError, type Sources } from "../hub/hub.ts"
import { dataError } from "./data-error.ts"
import { DataFiles, fileOfBytes, type OpenDataFile } from "./file.ts"

/** Files in memory, for programs without a file system. */
export interface MemoryFiles {
  /** layer with files, paths and data files; its Hub rejects every address */
  readonly layer: Layer.Layer<Sources>
  /** Returns the current bytes of a file without copying, or undefined if it does not exist. */
  readonly read: (path: string) => Uint8Array<ArrayBuffer> | undefined
  /** returns all paths, sorted */
  readonly list: () => ReadonlyArray<string>
}

type Content = Uint8Array<ArrayBuffer>

/** Creates files by path; a text is encoded as UTF-8. */
export const memoryFiles = (initial: Readonly<Record<string, Uint8Array | string>> = {}): MemoryFiles => {
  const files = new Map<string, Content>()
  const folders = new Set<string>(["/"])
  for (const [path, content] of Object.entries(initial)) {
    files.set(absolute(path), typeof content === "string" ? new TextEncoder().encode(content) : new Uint8Array(content))
  }
  const read = (path: string) => files.get(absolute(path))
  const list = () => [...files.keys()].sort()
  const services = Layer.mergeAll(
    Layer.succeed(FileSystem.FileSystem)(fileSystem(files, folders)),
    Layer.succeed(DataFiles)(dataFiles(read)),
    withoutHub
  )
  return { read, list, layer: Layer.merge(services, rootedPaths) }
}

const missing = (remedy: string) => (address: string) =>
  Effect.fail(hubError(address, `a browser page has no Hub cache; ${remedy}`))
const missingModel = missing("pass the model's files with fetchFiles")

/** Hub of a page, which has no cache: rejects every address. */
export const withoutHub: Layer.Layer<Hub> = Layer.succeed(Hub)({
  model: missingModel,
  config: missingModel,
  adapter: missingModel,
  dataset: missing("pass the file of rows instead"),
  upload: ({ repository }) => missing("push from a terminal")(repository)
})

/** Returns an absolute path without "." and "..". */
const absolute = (path: string): string => {
  const parts: Array<string> = []
  for (const part of path.split("/")) {
    if (part === "..") parts.pop()
    else if (part !== "" && part !== ".") parts.push(part)
  }
  return `/${parts.join("/")}`
}

/** POSIX paths with the working directory "/": effect's own use the process, which a page does not have. */
export const rootedPaths: Layer.Layer<Path.Path> = Layer.effect(
  Path.Path,
  Effect.map(
    Path.Path,
    (path): Path.Path => ({
      ...path,
      resolve: (...parts) => path.resolve("/", ...parts),
      relative: (from, to) => path.relative(path.resolve("/", from), path.resolve("/", to))
    })
  )
).pipe(Layer.provide(Path.layer))

const dataFiles =
  (read: MemoryFiles["read"]): OpenDataFile =>
  (path) => {
    const bytes = read(path)
    if (bytes === undefined) return Effect.fail(dataError(path, `no such file (looked for ${absolute(path)})`))
    if (bytes.length === 0) return Effect.fail(dataError(path, "the file is empty; at least one row is needed"))
    return Effect.succeed(fileOfBytes(path, bytes))
  }

const problem = (tag: "NotFound" | "AlreadyExists", method: string, path: string): PlatformError =>
  systemError({ _tag: tag, module: "FileSystem", method, pathOrDescriptor: path })

/** The file operations that this package needs; others fail as in an empty file system. */
const fileSystem = (files: Map<string, Content>, folders: Set<string>): FileSystem.FileSystem => {
  const isFolder = (at: string) => folders.has(at) || [...files.keys()].some((path) => path.startsWith(`${at}/`))
  const below = (at: string, path: string) => path === at || path.startsWith(`${at}/`)
  const missing = (method: string, path: string) =>
    Effect.suspend(() => {
      const content = files.get(absolute(path))
      return content === undefined ? Effect.fail(problem("NotFound", method, path)) : Effect.succeed(content)
    })
  const stat = (path: string) =>
    Effect.suspend(() => {
      const content = files.get(absolute(path))
      if (content !== undefined) return Effect.succeed(infoOf("File", content.length))
      return isFolder(absolute(path))
        ? Effect.succeed(infoOf("Directory", 0))
        : Effect.fail(problem("NotFound", "stat", path))
    })
  return FileSystem.make({
    ...FileSystem.makeNoop({}),
    access: (path) => Effect.asVoid(stat(path)),
    stat,
    lstat: stat,
    realPath: (path) => Effect.as(stat(path), absolute(path)),
    readFile: (path) => Effect.map(missing("readFile", path), (content) => content.slice()),
    writeFile: (path, data) => Effect.sync(() => void files.set(absolute(path), new Uint8Array(data))),
    makeDirectory: (path) => Effect.sync(() => void folders.add(absolute(path))),
    readDirectory: (path) =>
      Effect.sync(() => {
        const start = absolute(path) === "/" ? "/" : `${absolute(path)}/`
        const inside = [...files.keys(), ...folders].filter((name) => name.startsWith(start) && name !== start)
        return [...new Set(inside.map((name) => name.slice(start.length).split("/")[0]!))].sort()
      }),
    remove: (path, options) =>
      Effect.suspend(() => {
        const removed = [...files.keys(), ...folders].filter((name) => below(absolute(path), name))
        if (removed.length === 0 && options?.force !== true) return Effect.fail(problem("NotFound", "remove", path))
        for (const name of removed) if (!files.delete(name)) folders.delete(name)
        return Effect.void
      }),
    rename: (from, to) =>
      Effect.map(missing("rename", from), (content) => {
        files.delete(absolute(from))
        files.set(absolute(to), content)
      }),
    open: (path, options) =>
      Effect.suspend(() => {
        const flag = options?.flag ?? "r"
        const exists = files.has(absolute(path))
        if (flag.startsWith("r") && !exists) return Effect.fail(problem("NotFound", "open", path))
        if (flag.includes("x") && exists) return Effect.fail(problem("AlreadyExists", "open", path))
        if (flag.startsWith("w") || !exists) files.set(absolute(path), new Uint8Array(0))
        return Effect.succeed(openFile(files, absolute(path), flag.startsWith("a")))
      })
  })
}

/** Opens a file. Its content is looked up on every operation: another handle may have written it. */
const openFile = (files: Map<string, Content>, path: string, append: boolean): FileSystem.File => {
  let cursor = append ? files.get(path)!.length : 0
  const content = () => files.get(path) ?? new Uint8Array(0)
  const read: FileSystem.File["read"] = (buffer, options) =>
    Effect.sync(() => {
      const start = options?.position === undefined ? cursor : Number(options.position)
      const part = content().subarray(start, start + buffer.length)
      buffer.set(part)
      if (options?.position === undefined) cursor += part.length
      return part.length
    })
  const resize = (length: number) => {
    const resized = new Uint8Array(length)
    resized.set(content().subarray(0, length))
    files.set(path, resized)
    return resized
  }
  const write: FileSystem.File["write"] = (buffer) =>
    Effect.sync(() => {
      const end = cursor + buffer.length
      const target = end > content().length ? resize(end) : content()
      target.set(buffer, cursor)
      cursor = end
      return buffer.length
    })
  return {
    [FileSystem.FileTypeId]: FileSystem.FileTypeId,
    stat: Effect.sync(() => infoOf("File", content().length)),
    seek: (offset, from) =>
      Effect.sync(() => {
        cursor = Number(offset) + (from === "start" ? 0 : cursor)
        return BigInt(cursor)
      }),
    sync: Effect.void,
    read,
    readAlloc: (size, options) =>
      Effect.suspend(() => {
        const buffer = new Uint8Array(size)
        return Effect.map(read(buffer, options), (count) =>
          count === 0 ? Option.none() : Option.some(buffer.subarray(0, count))
        )
      }),
    truncate: (length = 0) => Effect.sync(() => void resize(length)),
    write,
    writeAll: (buffer) => Effect.asVoid(write(buffer))
  }
}

/** A file that could not be fetched. */
export class FetchError extends Schema.TaggedError<FetchError>()("FetchError", {
  /** URL without secrets */
  url: Schema.String,
  /** response of the server, or the network error */
  reason: Schema.String
}) {
  override get message() {
    return `${this.url}: ${this.reason}`
  }
}

/** Fetches files by name, relative to `base` (a URL, or a path on the page's own server that ends in "/"). */
export const fetchFiles = (
  base: string | URL,
  names: ReadonlyArray<string>
): Effect.Effect<Readonly<Record<string, Uint8Array>>, FetchError> =>
  Effect.map(
    Effect.forEach(names, (name) => fetchFile(new URL(name, new URL(base, globalThis.location?.href))), {
      concurrency: 4
    }),
    (contents) => Object.fromEntries(names.map((name, i) => [name, contents[i]!]))
  )

const fetchFile = (url: URL) => {
  const failed = (cause: unknown) => new FetchError({ url: withoutSecrets(url.href), reason: String(cause) })
  return Effect.tryPromise({
    try: async (signal) => {
      const response = await fetch(url, { signal })
      if (!response.ok) throw failed(`the server responded with ${response.status}`)
      const bytes = await readAnswer(response, limit("fetched-bytes"))
      if (bytes === undefined) throw failed(`the response has more than ${overLimit("fetched-bytes")}`)
      return bytes
    },
    catch: (cause) => (cause instanceof FetchError ? cause : failed(cause))
  })
}
