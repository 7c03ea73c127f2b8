/**
 * Which tokens of a text lie in spans of its characters. Tokenizers give ids without places, so the places are found by
 * tokenising parts of the text:
 *
 *   1. the pieces between the spans' borders one by one: where their ids in a row are the text's, no token crosses a border
 *      (the rule, since borders mostly stand beside special tokens);
 *   2. else, for every border, the text up to it: the ids that it shares with the whole text lie before the border, and a
 *      token that crosses the border counts to the span, as in transformers.
 */
import type { CausalTokenizer } from "../../tensors/index.ts"
import type { Span } from "./chat-template.ts"

/** ids [tokens] of a text, and 1 for each that lies in one of the spans (in order, without overlap). */
export interface MaskedIds {
  readonly ids: ReadonlyArray<number>
  readonly mask: Uint8Array // [tokens]
}

/** Throws where the tokenizer does. */
export const maskedIds = (text: string, spans: ReadonlyArray<Span>, encode: CausalTokenizer["encode"]): MaskedIds => {
  const ids = encode(text)
  const mask = new Uint8Array(ids.length)
  if (spans.length === 1 && spans[0]![0] === 0 && spans[0]![1] === text.length) return { ids, mask: mask.fill(1) }
  for (const [from, to] of piecewise(text, spans, ids, encode) ?? bordered(text, spans, ids, encode)) {
    mask.fill(1, from, to)
  }
  return { ids, mask }
}

type TokenRange = readonly [from: number, to: number]

/** The spans as ranges of tokens; undefined where the pieces' ids are not the text's. */
const piecewise = (
  text: string,
  spans: ReadonlyArray<Span>,
  ids: ReadonlyArray<number>,
  encode: CausalTokenizer["encode"]
): ReadonlyArray<TokenRange> | undefined => {
  const ranges: Array<TokenRange> = []
  let [token, character] = [0, 0]
  const advance = (to: number): boolean => {
    const piece = to > character ? encode(text.slice(character, to)) : []
    if (!piece.every((id, i) => ids[token + i] === id)) return false
    token += piece.length
    character = to
    return true
  }
  for (const [start, end] of spans) {
    if (!advance(start)) return undefined
    const from = token
    if (!advance(end)) return undefined
    ranges.push([from, token])
  }
  return advance(text.length) && token === ids.length ? ranges : undefined
}

const bordered = (
  text: string,
  spans: ReadonlyArray<Span>,
  ids: ReadonlyArray<number>,
  encode: CausalTokenizer["encode"]
): ReadonlyArray<TokenRange> =>
  spans.map(([start, end]) => {
    const before = sharedWith(ids, encode(text.slice(0, start)))
    const until = sharedWith(ids, encode(text.slice(0, end)))
    return [before.shared, Math.min(ids.length, until.whole ? until.shared : until.shared + 1)]
  })

/** How many ids two texts begin with in common; `whole`: they are all of the shorter text's. */
const sharedWith = (ids: ReadonlyArray<number>, part: ReadonlyArray<number>) => {
  let shared = 0
  while (shared < part.length && ids[shared] === part[shared]) shared++
  return { shared, whole: shared === part.length }
}
