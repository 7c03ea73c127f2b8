/**
 * Adapters saved to and loaded from the places of `places.ts`. Loaded when the first is saved or loaded: a page that only adapts and
 * trains needs none of it.
 */
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { AdapterFileError, reasonOf } from "./errors.ts"
import { hasDisk, readFromFolder, writeFolder } from "./folder.ts"
import { type AdapterSource, type AdapterTarget, isHandler, sourceName } from "./places.ts"
import type { SavedAdapter } from "./saved-adapter.ts"
import { type AdapterFiles, artifactsOf, CONFIG_FILE, MODEL_FILE, readArtifacts, readPeftFile } from "./stored-forms.ts"

export { restoredAdapter, savedAdapter } from "./saved-adapter.ts"
export { peftFiles } from "./stored-forms.ts"

const schemeOf = (place: string): string | undefined => /^([a-z][a-z0-9+.-]+):\/\//i.exec(place)?.[1]?.toLowerCase()

const isFolder = (place: string): boolean => [undefined, "file"].includes(schemeOf(place))

/** `files`: in PEFT's layout, asked for where they are needed. */
export const saveTo = async (
  target: AdapterTarget,
  saved: SavedAdapter,
  files: () => Promise<AdapterFiles>
): Promise<tf.io.SaveResult> => {
  if (typeof target === "string" && isFolder(target)) {
    const written = await files()
    // an adapter of another method may have been there, with a configuration that this one does not have
    await writeFolder(
      target,
      written,
      [CONFIG_FILE].filter((file) => !(file in written))
    )
    return resultOf(written[MODEL_FILE]!.byteLength)
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
  if (peft !== undefined) return Effect.runPromise(readPeftFile(peft, name))
  if (typeof source === "object" && !isHandler(source)) throw fail(name, `expected ${MODEL_FILE} among the files`)
  const handler = typeof source === "string" ? onlyHandler(source, tf.io.getLoadHandlers(source), "load") : source
  const { load } = handler as tf.io.IOHandler
  if (load === undefined) throw fail(name, "cannot load; expected a handler with load()")
  const artifacts = await whatFails(name, () => load.call(handler))
  return Effect.runPromise(readArtifacts(artifacts, name))
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
  const response = await whatFails(url, () => fetch(url))
  if (!response.ok) throw fail(url, `the server answers ${response.status}`)
  return new Uint8Array(await whatFails(url, () => response.arrayBuffer()))
}

const onlyHandler = (
  place: string,
  handlers: ReadonlyArray<tf.io.IOHandler>,
  what: "save" | "load"
): tf.io.IOHandler => {
  const [handler] = handlers
  if (handler !== undefined) return handler
  const other = hasDisk() ? "a folder" : '"indexeddb://…", "localstorage://…", "downloads://…" or "https://…"'
  throw fail(place, `tfjs has no handler here that would ${what} it; expected ${other}, or a handler object`)
}

const fail = (source: string, problem: string) => new AdapterFileError({ source, problems: [problem] })

const whatFails = async <T>(source: string, f: () => Promise<T>): Promise<T> => {
  try {
    return await f()
  } catch (cause) {
    throw fail(source, reasonOf(cause))
  }
}
