/** A tokenizer for tests: a token a word, its id the word's length, between the special tokens 1 and 2; padding is 0. */
import type { TextTokenizer } from "../../../src/data/tokenize.ts"

export const words: TextTokenizer = {
  padId: 0,
  encode: (text, maxLength) => {
    const ids = [1, ...text.split(/\s+/).map((word) => 2 + word.length)].slice(0, maxLength - 1)
    return { ids: [...ids, 2], typeIds: new Array<number>(ids.length + 1).fill(0) }
  }
}
