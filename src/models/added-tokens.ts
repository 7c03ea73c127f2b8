/**
 * Added tokens in a text as the Rust library looks for them: what `lstrip` and `rstrip` take is its white space, a token that is a
 * `single_word` does not count next to a letter, and only the beginning of a text is its `first` piece. The library in JavaScript also collapses
 * spaces and lower-cases where tokenizer_config.json has said so to tokenizers in Python; tokenizer.json says all that the one in Rust does.
 */
import { trimmed, withOwnClasses } from "../patterns/index.ts"

interface AddedToken {
  readonly normalized: boolean
  readonly single_word: boolean
  readonly lstrip: boolean
  readonly rstrip: boolean
}

interface Splitter {
  /** a text in parts, of which those that are tokens are whole parts */
  readonly split: (text: string) => ReadonlyArray<string>
}

/** Fields of the library's `Tokenizer`, most of which are private. */
export interface TokenizerParts {
  readonly normalizer: ((text: string) => string) | null
  readonly pre_tokenizer: ((text: string, options: { readonly section_index: number }) => ReadonlyArray<string>) | null
  readonly model: (words: ReadonlyArray<string>) => ReadonlyArray<string>
  readonly splitter_unnormalized: Splitter
  readonly splitter_normalized: Splitter
  readonly added_tokens_map: ReadonlyMap<string, AddedToken>
}

interface Piece {
  readonly text: string
  readonly isToken: boolean
}

/** Returns the library's `encode_text`, which splits a text into tokens, as strings. */
export const textEncoder = (parts: TokenizerParts): ((text: string | null) => ReadonlyArray<string> | null) => {
  const { normalizer, pre_tokenizer: cut, model } = parts
  const added = [...parts.added_tokens_map]
  const isNormalized = ([, token]: readonly [string, AddedToken]) => token.normalized && normalizer !== null
  const [inText, inNormalized] = [
    new Map(added.filter((entry) => !isNormalized(entry))),
    new Map(added.filter(isNormalized))
  ]
  return (text) => {
    if (text === null) return null
    return piecesOf(parts.splitter_unnormalized.split(text), inText).flatMap((piece, place) => {
      if (piece.isToken) return piece.text
      const normal = normalizer === null ? piece.text : normalizer(piece.text)
      return piecesOf(parts.splitter_normalized.split(normal), inNormalized).flatMap((part, i) => {
        if (part.isToken) return part.text
        return model(cut === null ? [part.text] : cut(part.text, { section_index: place + i }))
      })
    })
  }
}

/** A text, cut by the library, as its tokens and what is between them. */
const piecesOf = (sections: ReadonlyArray<string>, tokens: ReadonlyMap<string, AddedToken>): ReadonlyArray<Piece> => {
  const pieces: Array<Piece> = []
  let [text, left] = ["", false]
  const take = (right: boolean) => {
    const between = left || right ? trimmed(text, { left, right }) : text
    if (between !== "") pieces.push({ text: between, isToken: false })
    text = ""
  }
  for (const [i, section] of sections.entries()) {
    const token = tokens.get(section)
    if (token === undefined || (token.single_word && isWithin(sections[i - 1], sections[i + 1]))) text += section
    else {
      take(token.lstrip)
      pieces.push({ text: section, isToken: true })
      left = token.rstrip
    }
  }
  take(false)
  return pieces
}

let letter: RegExp | undefined

/** Whether a letter is before or after a token. */
const isWithin = (before = "", after = ""): boolean => {
  letter ??= new RegExp(`^${withOwnClasses("\\p{WordOfRegex}")}`, "u")
  return letter.test(Array.from(before.slice(-2)).at(-1) ?? "") || letter.test(after)
}
