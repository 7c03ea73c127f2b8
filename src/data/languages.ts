/**
 * Guesses the language of texts from their letters. A guess from a few words is often wrong, and names, code and numbers have no language: texts
 * are joined into pieces, each piece is guessed, and nearly all guesses must agree.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/** Guesses the language of a text. Returns its ISO 639-3 code, "und" if it is undetermined. */
export type GuessLanguage = (text: string) => string

/** Language guesser. Undefined by default: a page would download it for one sentence. */
export const LanguageGuesser = Context.Reference<Effect.Effect<GuessLanguage | undefined>>(
  "tfjs-lora-pro/LanguageGuesser",
  { defaultValue: () => Effect.succeed(undefined) }
)

/** UTF-8 bytes of a piece: about ten words of a European language, twenty characters of Chinese. */
const PIECE = 60
/** Fewer pieces are no evidence. */
const FEWEST = 4
/** Share of the pieces in one language. */
const AGREEING = 0.9
/** Characters of a text to use: a guess takes 1 ms for 500. */
const LOOKED_AT = 200

const bytesOf = (text: string): number => new TextEncoder().encode(text).length

/** Returns the words of a text, without addresses, mentions, digits and symbols. */
const wordsOf = (text: string): string =>
  text
    .slice(0, LOOKED_AT)
    .replace(/https?:\S+|\S+@\S+|[@#]\w+/g, " ")
    .replace(/[^\p{L}\p{M}'’]+/gu, " ")
    .trim()

const piecesOf = (texts: ReadonlyArray<string>): ReadonlyArray<string> => {
  const pieces: Array<string> = []
  let piece = ""
  for (const text of texts) {
    piece = `${piece} ${wordsOf(text)}`
    if (bytesOf(piece) < PIECE) continue
    pieces.push(piece)
    piece = ""
  }
  return pieces
}

const displayNames = new Intl.DisplayNames(["en"], { type: "language", fallback: "none" })

/** Returns the English name of a language by its code or tag: "de", "deu" → "German"; undefined for other texts. */
const nameOf = (code: string): string | undefined => {
  try {
    return displayNames.of(code)
  } catch {
    return undefined
  }
}

/** Returns the English name of the language of nearly all texts, or undefined if it is not clear. */
export const languageOf = (texts: ReadonlyArray<string>, guess: GuessLanguage): string | undefined => {
  const guesses = piecesOf(texts).map(guess)
  if (guesses.length < FEWEST) return undefined
  const code = guesses.find((guess) => guesses.filter((other) => other === guess).length >= AGREEING * guesses.length)
  return code === undefined || code === "und" ? undefined : nameOf(code)
}

/**
 * Returns the English names of languages as written in model cards (`en`, `en-US`, `English`), or undefined if one has no name, such as
 * `multilingual`.
 */
export const languageNames = (cardLanguages: ReadonlyArray<string>): ReadonlyArray<string> | undefined => {
  const names = cardLanguages.map((language) =>
    /^[A-Z][a-z]+$/.test(language) ? language : nameOf(language.split(/[-_]/)[0]!)
  )
  return names.includes(undefined) || names.includes("Multiple languages")
    ? undefined
    : (names as ReadonlyArray<string>)
}

/** Checks whether a language is in the list: "Norwegian" includes "Norwegian Bokmål". */
export const includesLanguage = (names: ReadonlyArray<string>, name: string): boolean =>
  names.some((cardName) => cardName.startsWith(name) || name.startsWith(cardName))
