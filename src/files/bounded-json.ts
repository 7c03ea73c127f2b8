/**
 * JSON from files of unknown origin: nested no deeper than anything we read has a reason to be.
 *
 * A few megabytes of "[" are a value of a million levels, and whatever walks it afterwards (a decoder, a printer) needs a
 * stack frame a level. So the depth is counted on the text, before anything is built from it.
 */

/** Levels of objects and lists. A tokenizer.json has about ten, a plan six, a safetensors header three. */
export const deepestJson = 64

const [quote, backslash, openBracket, closeBracket, openBrace, closeBrace] = [34, 92, 91, 93, 123, 125]

/** True where objects and lists are nested more than `levels` deep. Counts brackets only, so any text may be given. */
export const isDeeperThan = (text: string, levels: number): boolean => {
  let depth = 0
  let inString = false
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    if (inString) {
      if (unit === backslash) at++
      else if (unit === quote) inString = false
    } else if (unit === quote) inString = true
    else if (unit === openBracket || unit === openBrace) {
      if (++depth > levels) return true
    } else if (unit === closeBracket || unit === closeBrace) depth--
  }
  return false
}

/** An object of JSON: neither null nor a list. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** A value, or why there is none, as the end of a sentence that begins with the file's name. */
export type ParsedJson = { readonly value: unknown } | { readonly problem: string }

export const parseBoundedJson = (text: string): ParsedJson => {
  if (isDeeperThan(text, deepestJson)) return { problem: `nests deeper than ${deepestJson} levels` }
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    return { problem: "is not JSON" } // engines word the reason differently, and some give no position
  }
}
