/**
 * Tokens → text, piece by piece. A piece ends where the text so far is certain: tokens may end inside a UTF-8 character, which reads as
 * U+FFFD until its last byte is there.
 *
 * A token's text depends on the tokens before it (a decoder drops the space that begins a text), so each piece is the difference of two
 * decodings: of the last tokens that are written, and of these with the new ones behind them.
 */
import type { CausalTokenizer } from "../tensors/index.ts"

/** Tokens before which nothing matters to what follows. */
const CONTEXT = 8

export interface TextPieces {
  /** What a token adds to the text, "" while a character is open. */
  readonly push: (id: number) => string
  /** What is open at the end. */
  readonly end: () => string
}

/** Pieces of what follows `prompt`. Special tokens write nothing. */
export const textPieces = (decode: CausalTokenizer["decode"], prompt: ReadonlyArray<number>): TextPieces => {
  let written = prompt.slice(-CONTEXT)
  let waiting: Array<number> = []
  const added = () => decode([...written, ...waiting]).slice(decode(written).length)
  const take = (text: string): string => {
    written = [...written, ...waiting].slice(-CONTEXT)
    waiting = []
    return text
  }
  return {
    push: (id) => {
      waiting.push(id)
      const text = added()
      return text.endsWith("\uFFFD") ? "" : take(text)
    },
    end: () => take(added())
  }
}
