/**
 * Saves adapters to, and loads them from, the targets of `places.ts`. Loaded on the first save or load, so a page that only adapts and
 * trains does not download it. In Bun, Deno and Node, folders are supported. The runtime is asked for its file system at the time of use,
 * so a page's bundle contains nothing of Node's.
 */
import * as tf from "@tensorflow/tfjs-core"
import { limit, messageOf, overLimit, wholeNumber, withoutSecrets } from "../boundary/index.ts"
import { readAnswer, temporaryName } from "../files/index.ts"
import { AdapterFileError } from "./errors.ts"
import { type AdapterSource, type AdapterTarget, isHandler, sourceName } from "./places.ts"
import { promised } from "./promised.ts"
import type { SavedAdapter } from "./saved-adapter.ts"
import {
  type AdapterFiles,
  artifactsOf,
  CONFIG_FILE,
  MODEL_FILE,
  readArtifacts,
  readPeftBytes
} from "./stored-forms.ts"

export { restoredAdapter, savedAdapter } from "./saved-adapter.ts"
export { peftFiles } from "./stored-forms.ts"

const schemeOf = (place: string): string | undefined => /^([a-z][a-z0-9+.-]+):\/\//i.exec(place)?.[1]?.toLowerCase()

const isFolder = (place: string): boolean => [undefined, "file"].includes(schemeOf(place))

/** Saves an adapter to a target. `files`: creates the files in PEFT's layout, called only if needed. */
export const saveTo = async (
  target: AdapterTarget,
  saved: SavedAdapter,
  files: () => Promise<AdapterFiles>
): Promise<tf.io.SaveResult> => {
  if (typeof target === "string" && isFolder(target)) {
    const content = await files()
    // an adapter of another method may have been there, with a configuration that this one does not have
    await writeFolder(
      target,
      content,
      [CONFIG_FILE].filter((file) => !(file in content))
    )
    return resultOf(content[MODEL_FILE]!.byteLength)
  }
  const handler = typeof target === "string" ? onlyHandler(target, tf.io.getSaveHandlers(target), "save") : target
  const { save } = handler
  if (save === undefined) throw fail(sourceName(target), "cannot save; expected a handler with save()")
  return whatFails(sourceName(target), () => save.call(handler, artifactsOf(saved)))
}

const resultOf = (weightDataBytes: number): tf.io.SaveResult => ({
  modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: "JSON", weightDataBytes }
})

export const loadFrom = async (source: AdapterSource): Promise<SavedAdapter> => {
  const name = sourceName(source)
  const peft = typeof source === "string" ? await peftBytes(source) : isHandler(source) ? undefined : source[MODEL_FILE]
  if (peft !== undefined) return promised(readPeftBytes(peft, name))
  if (typeof source === "object" && !isHandler(source)) throw fail(name, `expected ${MODEL_FILE} among the files`)
  const handler = typeof source === "string" ? onlyHandler(source, tf.io.getLoadHandlers(source), "load") : source
  const { load } = handler as tf.io.IOHandler
  if (load === undefined) throw fail(name, "cannot load; expected a handler with load()")
  const artifacts = await whatFails(name, () => load.call(handler))
  return promised(readArtifacts(artifacts, name))
}

/** A string's safetensors file; undefined where it is for tfjs's handlers. */
const peftBytes = (source: string): Promise<Uint8Array> | undefined => {
  if (isFolder(source) && hasDisk()) return readFromFolder(source, MODEL_FILE)
  const url =
    isFolder(source) && globalThis.location !== undefined ? new URL(source, globalThis.location.href).href : source
  if (!/^https?:/i.test(url)) return undefined
  const path = url.replace(/[?#].*$/, "")
  if (path.endsWith("/")) return fetched(`${path}${MODEL_FILE}`)
  return path.endsWith(".safetensors") ? fetched(url) : undefined
}

const fetched = async (url: string): Promise<Uint8Array> => {
  const address = withoutSecrets(url)
  const response = await whatFails(address, () => fetch(url))
  if (!response.ok) throw fail(address, `the server responded with ${response.status}`)
  const bytes = await whatFails(address, () => readAnswer(response, limit("fetched-bytes")))
  if (bytes === undefined) throw fail(address, `the response has more than ${overLimit("fetched-bytes")}`)
  return bytes
}

const onlyHandler = (
  place: string,
  handlers: ReadonlyArray<tf.io.IOHandler>,
  what: "save" | "load"
): tf.io.IOHandler => {
  const [handler] = handlers
  if (handler !== undefined) return handler
  const other = hasDisk() ? "a folder" : '"indexeddb://…", "localstorage://…", "downloads://…" or "https://…"'
  throw fail(place, `tfjs has no handler that can ${what} it here; expected ${other}, or a handler object`)
}

const fail = (source: string, problem: string) => new AdapterFileError({ source, problems: [problem] })

const whatFails = async <T>(source: string, f: () => Promise<T>): Promise<T> => {
  try {
    return await f()
  } catch (cause) {
    throw cause instanceof AdapterFileError ? cause : fail(source, messageOf(cause))
  }
}

interface Disk {
  readonly fs: typeof import("node:fs/promises")
  readonly path: typeof import("node:path")
  readonly url: typeof import("node:url")
}

/** The runtime's file system; undefined in a page. */
const disk = (): Disk | undefined => {
  const builtin = globalThis.process?.getBuiltinModule as ((name: string) => unknown) | undefined
  if (typeof builtin !== "function") return undefined
  const [fs, path, url] = ["node:fs/promises", "node:path", "node:url"].map((name) => builtin(name))
  return { fs, path, url } as Disk
}

const hasDisk = (): boolean => disk() !== undefined

/** Runs with the file system; whatever goes wrong is an AdapterFileError about `place`. */
const onDisk = async <T>(place: string, f: (disk: Disk, path: string) => Promise<T>): Promise<T> => {
  const folderAccess = disk()
  if (folderAccess === undefined) {
    const problem = 'pages have no folders; use "indexeddb://…", "downloads://…", or files() for their bytes'
    throw new AdapterFileError({ source: place, problems: [problem] })
  }
  try {
    return await f(folderAccess, place.startsWith("file:") ? pathOf(folderAccess, place) : place)
  } catch (cause) {
    if (cause instanceof AdapterFileError) throw cause
    throw new AdapterFileError({ source: place, problems: [messageOf(cause)] })
  }
}

/** "file:///home/…", and "file://adapters/x" as tfjs-node has it: relative. */
const pathOf = ({ url }: Disk, place: string): string =>
  place.startsWith("file:///") ? url.fileURLToPath(place) : decodeURI(place.slice("file://".length))

/**
 * Writes files into a folder, which is made where it is missing: all of them under temporary names, then each renamed.
 * What was there before stays until the new file is complete and flushed.
 */
const writeFolder = (folder: string, files: AdapterFiles, unwanted: ReadonlyArray<string> = []): Promise<void> =>
  onDisk(folder, async ({ fs, path }, at) => {
    await fs.mkdir(at, { recursive: true })
    const names = Object.keys(files).map((name) => path.join(at, name))
    try {
      for (const [i, content] of Object.values(files).entries()) await writeNew(fs, temporaryName(names[i]!), content)
      for (const name of names) await fs.rename(temporaryName(name), name)
      for (const name of unwanted) await fs.rm(path.join(at, name), { force: true })
    } finally {
      for (const name of names) await fs.rm(temporaryName(name), { force: true })
    }
  })

const writeNew = async (fs: Disk["fs"], file: string, content: Uint8Array): Promise<void> => {
  // made anew: a link left under this name would be written through
  await fs.rm(file, { force: true })
  const handle = await fs.open(file, "wx")
  try {
    await handle.writeFile(content)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** A file's bytes; of a folder, those of the file of this name in it. */
const readFromFolder = (place: string, name: string): Promise<Uint8Array> =>
  onDisk(place, async ({ fs, path }, at) => {
    const stat = await fs.stat(at).catch(() => undefined)
    if (stat === undefined) throw new AdapterFileError({ source: place, problems: ["no such folder or file"] })
    const file = stat.isDirectory() ? path.join(at, name) : at
    const statOfFile = await fs.stat(file).catch(() => undefined)
    if (statOfFile === undefined) throw new AdapterFileError({ source: place, problems: [`the folder has no ${name}`] })
    // opening a pipe waits for its writer
    if (!statOfFile.isFile()) throw fail(file, "is not a regular file")
    if (statOfFile.size > limit("layers-model-bytes")) {
      throw fail(file, `has ${wholeNumber(statOfFile.size)} bytes, more than ${overLimit("layers-model-bytes")}`)
    }
    return new Uint8Array(await fs.readFile(file))
  })
