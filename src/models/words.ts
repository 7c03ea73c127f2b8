/**
 * Words as tokens, each encoded alone (`is_split_into_words` of the Rust tokenizers): a prefix space or "▁" comes before every word, and no
 * merge crosses two. Words without a token, such as a variation selector, keep their number and have none. What is longer than
 * a window becomes several:
 *
 *   tokens   t0 t1 t2 t3 t4 t5 t6
 *   windows  [CLS] t0 t1 t2 t3 [SEP]   [CLS] t2 t3 t4 t5 [SEP]   [CLS] t4 t5 t6 [SEP]     4 tokens each, stride 2
 */
import { ByteLevelPreTokenizer, type Tokenizer } from "@huggingface/tokenizers"
import type { Tokenizer as ModelTokenizer, WordEncoding } from "./model.ts"

// no token of a vocabulary: the post-processor puts tokens together and looks at none of them
const marker = "\u0000words"

/** A special token, or the place of the words; `type`: of its tokens. */
interface Part {
  readonly id: number | "words"
  readonly type: number
}

/** Returns the special tokens around a text. Throws if one has no id. */
const templateOf = (library: Tokenizer): ReadonlyArray<Part> => {
  const processed = library.post_processor?.post_process([marker]) ?? { tokens: [marker] }
  return processed.tokens.map((token, i): Part => {
    const type = processed.token_type_ids?.[i] ?? 0
    if (token === marker) return { id: "words", type }
    const id = library.token_to_id(token)
    if (id === undefined) throw new Error(`the post_processor of tokenizer.json names ${token}, which has no id`)
    return { id, type }
  })
}

/** Runs `encode` with a space before each word, which RoBERTa's own tokenizer.json has only between words (transformers' `add_prefix_space`). */
const withSpaces = <A>({ pre_tokenizer: part }: Tokenizer, encode: () => A): A => {
  if (!(part instanceof ByteLevelPreTokenizer) || part.add_prefix_space) return encode()
  try {
    part.add_prefix_space = true
    return encode()
  } finally {
    part.add_prefix_space = false
  }
}

/** Returns `Tokenizer.encodeWords`. `idsOf`: the tokens of a word, without special tokens. */
export const wordEncoder = (
  library: Tokenizer,
  idsOf: (word: string) => ReadonlyArray<number>
): NonNullable<ModelTokenizer["encodeWords"]> => {
  let template: ReadonlyArray<Part> | undefined
  return (words, maxLength, stride = 0) => {
    template ??= templateOf(library)
    const special = template.length - 1
    const room = maxLength - special
    if (room <= stride)
      throw new Error(
        `windows of ${maxLength} tokens, of which ${special} are special and ${stride} shared, have no room; use longer windows or a smaller stride`
      )
    const tokens = withSpaces(library, () => words.flatMap((word, index) => idsOf(word).map((id) => ({ id, index }))))
    const windows: Array<WordEncoding> = []
    for (let start = 0; start === 0 || start + stride < tokens.length; start += room - stride) {
      const inside = tokens.slice(start, start + room)
      const all = template.flatMap(({ id, type }) =>
        id === "words" ? inside.map((token) => ({ ...token, type })) : [{ id, index: -1, type }]
      )
      windows.push({
        ids: all.map(({ id }) => id),
        typeIds: all.map(({ type }) => type),
        words: all.map(({ index }) => index)
      })
    }
    return windows
  }
}
