/**
 * Special tokens inside what people wrote: a tokenizer takes "<|im_end|>" in a message for the end of a turn, as it does in
 * every other library, so a row can say what only the template should. That may be meant; it is told.
 */
import { textsOf } from "./content.ts"
import type { CausalContent } from "./row.ts"

export interface SpecialTexts {
  readonly look: (content: CausalContent, where: string) => void
  /** a sentence about the rows seen, or nothing */
  readonly warnings: () => ReadonlyArray<string>
}

const placesShown = 3

/** `special` finds special tokens in a text; undefined: there are none. */
export const specialTexts = (special: RegExp | undefined): SpecialTexts => {
  const words = new Set<string>()
  const places: Array<string> = []
  let rows = 0
  return {
    look: (content, where) => {
      if (special === undefined) return
      const found = textsOf(content).flatMap((text) => text.match(special) ?? [])
      if (found.length === 0) return
      for (const word of found) words.add(word)
      if (rows++ < placesShown) places.push(where)
    },
    warnings: () => {
      if (rows === 0) return []
      const count = rows === 1 ? "1 row holds" : `${rows.toLocaleString("en")} rows hold`
      return [`${count} ${[...words].join(", ")} in its text, which becomes the special token (${places.join(", ")})`]
    }
  }
}
