/**
 * Files that come with the page, at their places among the stored ones: models and rows to try. What there is and how large is known from a
 * list; a file is fetched when it is first read, and then held for as long as the worker lives. None of them is written.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { type PlatformError, systemError } from "effect/PlatformError"
import { infoOf } from "../../../files/index.ts"
import { openedFile, partsOf, readingOf } from "./stored-files.ts"

export interface StaticFile {
  /** from the root of the file system: "models/minilm/config.json" */
  readonly path: string
  readonly bytes: number
}

/** Says how much of a file has come. */
export type Fetching = (path: string, loaded: number, of: number) => void

/** Gives the file's bytes. Rejects with a sentence. */
const fetched = async (url: URL, { path, bytes: size }: StaticFile, tell: Fetching): Promise<File> => {
  const response = await fetch(url)
  if (!response.ok || response.body === null) throw new Error(`the server answers ${response.status}`)
  const parts: Array<Uint8Array<ArrayBuffer>> = []
  let loaded = 0
  for await (const part of response.body as unknown as AsyncIterable<Uint8Array<ArrayBuffer>>) {
    parts.push(part)
    loaded += part.length
    tell(path, loaded, size)
  }
  if (loaded !== size) throw new Error(`received ${loaded} of ${size} bytes`)
  return new File(parts, path)
}

/** `base`: where the files are, by their paths. */
export const withStaticFiles = (
  stored: FileSystem.FileSystem,
  list: ReadonlyArray<StaticFile>,
  base: string,
  tell: Fetching
): FileSystem.FileSystem => {
  const files = new Map(list.map((file) => [file.path, file]))
  const folders = new Map<string, Set<string>>()
  for (const { path } of list) {
    const parts = path.split("/")
    parts.forEach((part, depth) => {
      const folder = parts.slice(0, depth).join("/")
      if (!folders.has(folder)) folders.set(folder, new Set())
      folders.get(folder)!.add(part)
    })
  }
  const cached = new Map<string, Promise<File>>()
  const keyOf = (path: string) => partsOf(path).join("/")
  const isOwn = (path: string) => {
    const key = keyOf(path)
    return files.has(key) || (key !== "" && folders.has(key))
  }

  const failed = (tag: "NotFound" | "PermissionDenied" | "BadResource", method: string, path: string, code: string) =>
    systemError({ _tag: tag, module: "FileSystem", method, pathOrDescriptor: path, cause: { code } })

  const read = (method: string, path: string): Effect.Effect<File, PlatformError> =>
    Effect.suspend(() => {
      const key = keyOf(path)
      const file = files.get(key)
      if (file === undefined) return Effect.fail(failed("BadResource", method, path, "EISDIR"))
      return Effect.tryPromise({
        try: () => {
          const coming = cached.get(key) ?? fetched(new URL(key, base), file, tell)
          cached.set(key, coming)
          return coming
        },
        catch: (cause) => {
          cached.delete(key)
          return systemError({
            _tag: "Unknown",
            module: "FileSystem",
            method,
            pathOrDescriptor: path,
            description: `it is part of this page and could not be downloaded: ${cause instanceof Error ? cause.message : cause}`
          })
        }
      })
    })

  const stat = (storedStat: FileSystem.FileSystem["stat"]) => (path: string) =>
    Effect.suspend(() => {
      const file = files.get(keyOf(path))
      if (file !== undefined) return Effect.succeed(infoOf("File", file.bytes))
      return isOwn(path) ? Effect.succeed(infoOf("Directory", 0)) : storedStat(path)
    })

  /** What changes files is for those that are stored. */
  const changing =
    <Rest extends ReadonlyArray<unknown>, A, R>(
      method: string,
      change: (path: string, ...rest: Rest) => Effect.Effect<A, PlatformError, R>
    ) =>
    (path: string, ...rest: Rest): Effect.Effect<A, PlatformError, R> =>
      isOwn(path) ? Effect.fail(failed("PermissionDenied", method, path, "EROFS")) : change(path, ...rest)

  const readFile = (path: string) =>
    isOwn(path)
      ? Effect.flatMap(read("readFile", path), (file) =>
          Effect.promise(async () => new Uint8Array(await file.arrayBuffer()))
        )
      : stored.readFile(path)

  return FileSystem.make({
    ...stored,
    access: (path, options) => (isOwn(path) ? Effect.void : stored.access(path, options)),
    stat: stat(stored.stat),
    lstat: stat(stored.lstat),
    realPath: (path) => (isOwn(path) ? Effect.succeed(`/${keyOf(path)}`) : stored.realPath(path)),
    readFile,
    readDirectory: (path, options) =>
      Effect.gen(function* () {
        const listed = folders.get(keyOf(path))
        if (listed === undefined) return yield* stored.readDirectory(path, options)
        const storedEntries = yield* stored
          .readDirectory(path, options)
          .pipe(Effect.orElseSucceed((): Array<string> => []))
        const before = keyOf(path) === "" ? "" : `${keyOf(path)}/`
        const below =
          options?.recursive === true
            ? [...files.keys(), ...folders.keys()].flatMap((key) =>
                key.startsWith(before) && key !== before && key !== "" ? [key.slice(before.length)] : []
              )
            : [...listed]
        return [...new Set([...storedEntries, ...below])].sort()
      }),
    open: (path, options) => {
      if (!isOwn(path)) return stored.open(path, options)
      if ((options?.flag ?? "r") !== "r") return Effect.fail(failed("PermissionDenied", "open", path, "EROFS"))
      return Effect.map(read("open", path), (file) => openedFile(path, readingOf(file)))
    },
    writeFile: changing("writeFile", stored.writeFile),
    makeDirectory: (path, options) =>
      isOwn(path) && options?.recursive === true
        ? stored.makeDirectory(path, options)
        : changing("makeDirectory", stored.makeDirectory)(path, options),
    remove: changing("remove", stored.remove),
    rename: (from, to) =>
      isOwn(to)
        ? Effect.fail(failed("PermissionDenied", "rename", to, "EROFS"))
        : changing("rename", stored.rename)(from, to),
    copyFile: (from, to) => Effect.flatMap(readFile(from), (bytes) => changing("copyFile", stored.writeFile)(to, bytes))
  })
}
