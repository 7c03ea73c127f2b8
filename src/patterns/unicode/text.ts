/**
 * Small letters and normalization forms as the Rust library makes them. What they are of a character never changes once it is in Unicode, so
 * engines do it, but for characters that are newer than some engine, or than the library: they have no form of their own there.
 */
import { content } from "./classes.ts"
import { newCapitals } from "./tables.ts"

let changing: RegExp | undefined

/** The parts of a text between `Changing` characters through one function, these through another. */
const inParts = (text: string, stable: (part: string) => string, other: (character: string) => string): string => {
  changing ??= new RegExp(`([${content("Changing")}])`, "u")
  if (!changing.test(text)) return stable(text)
  return text
    .split(changing)
    .map((part, i) => (i % 2 === 0 ? stable(part) : other(part)))
    .join("")
}

const smallOfNew = (capital: string): string => {
  const character = capital.codePointAt(0)!
  const block = newCapitals.find(([first, count]) => character >= first && character < first + count)
  return block === undefined ? capital : String.fromCodePoint(character + block[2])
}

/** Small letters, each by itself: a sigma at the end of a word is σ, too. */
export const lowercase = (text: string): string =>
  inParts(text, (part) => part.replaceAll("Σ", "σ").toLowerCase(), smallOfNew)

/** A normalization form. */
export const normalize = (text: string, form: "NFC" | "NFD" | "NFKC" | "NFKD"): string =>
  inParts(
    text,
    (part) => part.normalize(form),
    (character) => character
  )

let space: RegExp | undefined

/** A text without white space at its beginning, or its end, or both. */
export const trimmed = (text: string, { left, right }: { readonly left: boolean; readonly right: boolean }): string => {
  space ??= new RegExp(`[${content("White_Space")}]`, "u")
  let [from, to] = [0, text.length]
  while (left && from < to && space.test(text[from]!)) from++
  while (right && from < to && space.test(text[to - 1]!)) to--
  return text.slice(from, to)
}
