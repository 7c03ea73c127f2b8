/**
 * Targets that adapters are saved to, and sources that they are loaded from.
 *
 *   "adapters/turned", "file://…"            a folder in PEFT's layout (Bun, Deno, Node); to load, also its file
 *   "https://…/", "https://….safetensors"    the same layout on a server (load)
 *   "indexeddb://…", "localstorage://…",     tfjs's own handlers, and those that a program registered
 *   "downloads://…", "https://…/model.json"
 *   a tf.io.IOHandler                        e.g. tf.io.browserFiles(…), tf.io.withSaveHandler(…)
 *   { "adapter_model.safetensors": bytes }   files in memory (load), as `files()` gives them
 */
import type * as tf from "@tensorflow/tfjs-core"
import { withoutSecrets } from "../boundary/index.ts"
import type { AdapterFiles } from "./stored-forms.ts"

/** Target of a saved adapter: a folder or a URL ("indexeddb://…", "downloads://…"), or a tfjs IO handler. */
export type AdapterTarget = string | tf.io.IOHandler
/** Source of an adapter: a folder, a URL, a tfjs IO handler, or files in memory. */
export type AdapterSource = string | tf.io.IOHandler | AdapterFiles

/** Returns whether a value is a source rather than options. */
export const isSource = (value: unknown): value is AdapterSource =>
  typeof value === "string" ||
  (typeof value === "object" &&
    value !== null &&
    (typeof (value as tf.io.IOHandler).load === "function" ||
      Object.values(value).some((one) => one instanceof Uint8Array)))

const placeText = (place: string): string => (place.includes("://") ? withoutSecrets(place) : place)

/** Returns the name of a target or source for error messages. */
export const sourceName = (place: AdapterTarget | AdapterSource): string =>
  typeof place === "string"
    ? placeText(place)
    : isHandler(place)
      ? "the IO handler"
      : Object.keys(place).join(", ") || "no files"

export const isHandler = (place: object): place is tf.io.IOHandler => "load" in place || "save" in place
