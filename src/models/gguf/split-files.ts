/**
 * A model in several GGUF files, as llama-gguf-split and the Hub have them: name-00001-of-00003.gguf, …, the first with all metadata, each
 * with its number (split.no, from 0), how many there are (split.count), and how many tensors they have together (split.tensors.count).
 */
import { quoted } from "../../boundary/index.ts"
import type { Metadata } from "./parse-header.ts"

/** Returns the number of files that a model is split into, from the metadata of one of them. */
export const partCount = (metadata: Metadata): number => {
  const count = metadata.get("split.count")
  return typeof count === "number" && count > 1 ? count : 1
}

/** Returns the difference of part `index` (from 0) from the other parts, as the end of a sentence that begins with its file; undefined: none. */
export const partProblem = (metadata: Metadata, index: number, others: Metadata): string | undefined => {
  for (const [key, expected] of [
    ["split.no", index],
    ["split.count", others.get("split.count")],
    ["split.tensors.count", others.get("split.tensors.count")]
  ] as const) {
    const stored = metadata.get(key)
    if (stored !== expected) {
      return `${key} is ${quoted(stored)}, expected ${quoted(expected)}: not a part of the same model`
    }
  }
  return undefined
}
