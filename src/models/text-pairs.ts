/**
 * Two texts as one sequence of tokens: `[CLS] A [SEP] B [SEP]`, `<s> A </s></s> B </s>`, or whatever else the tokenizer's post-processor
 * makes of a pair, and which tokens are left of two that are too long together: the rule "longest first" of the Rust tokenizers.
 */

import type { Tokenizer } from "@huggingface/tokenizers"
import { isRecord } from "../boundary/index.ts"
import type { Encoding } from "./model.ts"

/** A token of the template, or the place of a text; `type`: of its tokens. */
interface Part {
  readonly id: number | "first" | "second"
  readonly type: number
}

// no token of a vocabulary: the post-processor puts tokens together and looks at none of them
const markers = ["\u0000first", "\u0000second"] as const

/** Returns the special tokens around two texts. Throws if the tokenizer does not support pairs, or uses token types that the model does not have. */
export const pairTemplate = (library: Tokenizer, postProcessor: unknown, tokenTypes: number): ReadonlyArray<Part> => {
  const { tokens, tokens_pair: rest = [], token_type_ids: types } = markedPair(library)
  // RoBERTa's own: its library's namesake gives a second text type 1, the original knows type 0 alone
  const oneType = types === undefined || isRoberta(postProcessor)
  const parts = [...tokens, ...(rest ?? [])].map((token, i): Part => {
    const type = oneType ? 0 : (types[i] ?? 0)
    if (token === markers[0]) return { id: "first", type }
    if (token === markers[1]) return { id: "second", type }
    const id = library.token_to_id(token)
    if (id === undefined) throw new Error(`the post_processor of tokenizer.json names ${token}, which has no id`)
    return { id, type }
  })
  const other = parts.find(({ type }) => tokenTypes > 0 && type >= tokenTypes)
  if (other !== undefined)
    throw new Error(
      `the post_processor of tokenizer.json gives tokens of a pair the type ${other.type}, which this model does not have (type_vocab_size ${tokenTypes} in config.json)`
    )
  if (parts.some(({ id }) => id === "first") && parts.some(({ id }) => id === "second")) return parts
  throw new Error("the post_processor of tokenizer.json has no form for pairs of texts")
}

const markedPair = ({
  post_processor: processor
}: Tokenizer): ReturnType<NonNullable<typeof processor>["post_process"]> => {
  if (processor === null) return { tokens: [...markers] }
  try {
    return processor.post_process([markers[0]], [markers[1]])
  } catch (cause) {
    throw new Error("the post_processor of tokenizer.json has no form for pairs of texts", { cause })
  }
}

const isRoberta = (processor: unknown): boolean => {
  if (!isRecord(processor)) return false
  const { type, processors } = processor
  return type === "RobertaProcessing" || (Array.isArray(processors) && processors.some(isRoberta))
}

/** Joins the tokens of two texts, truncated to `maxLength` including special tokens. */
export const joinPair = (
  template: ReadonlyArray<Part>,
  first: ReadonlyArray<number>,
  second: ReadonlyArray<number>,
  maxLength: number
): Encoding => {
  const around = template.filter(({ id }) => typeof id === "number").length
  const [n1, n2] = longestFirst(first.length, second.length, Math.max(0, maxLength - around))
  const left = { first: first.slice(0, n1), second: second.slice(0, n2) }
  const tokens = template.flatMap(({ id, type }) =>
    typeof id === "number" ? [{ id, type }] : left[id].map((tokenId) => ({ id: tokenId, type }))
  )
  return { ids: tokens.map(({ id }) => id), typeIds: tokens.map(({ type }) => type) }
}

/** How many tokens are left of two texts of `n1` and `n2` where `most` fit: `truncate_encodings` of the Rust library. */
const longestFirst = (n1: number, n2: number, most: number): readonly [number, number] => {
  if (n1 + n2 <= most) return [n1, n2]
  const [shorter, longer] = n1 > n2 ? [n2, n1] : [n1, n2]
  const rest = Math.max(shorter, most - shorter)
  const half = Math.floor(most / 2)
  // the shorter is whole, the longer has what it leaves; or both lose tokens, and an odd one is the longer's
  const [short, long] = shorter + rest <= most ? [shorter, Math.min(longer, rest)] : [half, most - half]
  return n1 > n2 ? [long, short] : [short, long]
}
