/**
 * Converts rows to token sequences with labels.
 *
 *   chat        the template's output, without special tokens added by the tokenizer; the assistant's text is learned, all
 *               turns in one sequence or each in a separate one (`turns.ts`)
 *   completion  BOS (if the tokenizer begins texts with it), prompt, completion, EOS; completion and EOS are learned
 *   text        BOS, text, EOS; all of it is learned
 *
 * Labels are shifted on the whole sequence, labels[t] = ids[t + 1], and truncated together with the ids afterwards.
 */
import type { ChatData, CompletionData, TextData } from "../../../schemas/index.ts"
import { messageOf } from "../../boundary/index.ts"
import type { CausalTokenizer } from "../../tensors/index.ts"
import { type Broken, isBroken } from "../columns.ts"
import type { ChatTemplate, Span } from "./chat-template.ts"
import { type CausalContent, ignored, type Sequence } from "./row.ts"
import { type Written, type WrittenTurns, writtenTurns } from "./turns.ts"

/** Fields of a `data` section that determine how rows become tokens. */
export type Encoding =
  | Pick<ChatData, "format" | "lossOn" | "turns">
  | Pick<CompletionData, "format" | "lossOn">
  | Pick<TextData, "format">

/** Encoder of rows: the texts that the model reads (`write`), and their tokens with labels (`encode`). */
export interface RowEncoder {
  /** Returns the text of each example, including the template's special tokens, and its learned spans. */
  readonly write: (content: CausalContent) => WrittenTurns | Broken
  /** Returns the untruncated tokens and labels of each example, or `Broken` if the row cannot be tokenized. */
  readonly encode: (content: CausalContent) => ReadonlyArray<Sequence> | Broken
}

/** Creates an encoder. `template`: required for conversations only; the section determines what is learned. */
export const rowEncoder = (
  section: Encoding,
  tokenizer: CausalTokenizer,
  template: ChatTemplate | undefined
): RowEncoder => {
  const special = specialPattern(tokenizer)
  const begin = section.format === "chat" ? [] : beginningOf(tokenizer)
  const write = (content: CausalContent): WrittenTurns | Broken => {
    if (content.kind === "text") return { examples: [{ text: content.text, spans: [[0, content.text.length]] }] }
    if (content.kind === "completion") return { examples: [completion(content, section)] }
    if (template === undefined) return { broken: "a conversation needs a chat template" }
    return writtenTurns(template, content, section.format === "chat" ? section : { lossOn: "assistant" }, special)
  }
  const encode = (content: CausalContent): ReadonlyArray<Sequence> | Broken => {
    const rendered = write(content)
    if (isBroken(rendered)) return rendered
    const ended = content.kind === "chat" || tokenizer.eosId === null ? [] : [tokenizer.eosId]
    try {
      return rendered.examples.map(({ text, spans }) => {
        const { ids, mask } = maskedIds(text, spans, tokenizer)
        return sequence([...begin, ...ids, ...ended], (i) => (mask[i - begin.length] ?? 1) === 1)
      })
    } catch (cause) {
      return notTokenized(cause)
    }
  }
  return { write, encode }
}

const notTokenized = (cause: unknown): Broken => ({
  broken: `cannot be tokenized: ${messageOf(cause)}`
})

/** Tokenizes a text, or returns why it cannot be: a checkpoint's tokenizer may reject a text that takes too long. */
export const tokenized = (
  { encode }: Pick<CausalTokenizer, "encode">,
  ...args: Parameters<CausalTokenizer["encode"]>
): ReadonlyArray<number> | Broken => {
  try {
    return encode(...args)
  } catch (cause) {
    return notTokenized(cause)
  }
}

const completion = (
  { prompt, completion: rest }: { readonly prompt: string; readonly completion: string },
  section: Encoding
): Written => {
  const text = prompt + rest
  const all = section.format === "completion" && section.lossOn === "all"
  return { text, spans: [[all ? 0 : prompt.length, text.length]] }
}

/** Creates a sequence. The first token is never a label, since nothing precedes it. */
const sequence = (tokens: ReadonlyArray<number>, learned: (token: number) => boolean): Sequence => ({
  ids: Int32Array.from(tokens),
  labels: Int32Array.from(tokens, (_, t) => (t + 1 < tokens.length && learned(t + 1) ? tokens[t + 1]! : ignored))
})

const beginningOf = ({ encode, bosId }: CausalTokenizer): ReadonlyArray<number> =>
  bosId !== null && encode("", { special: true })[0] === bosId ? [bosId] : []

/** Returns a pattern that matches special tokens in a text, or undefined if there are no special tokens. */
export const specialPattern = (tokenizer: CausalTokenizer): RegExp | undefined => {
  const { specialIds, eosId, specialTokens } = tokenizer
  const ids = new Set(eosId === null ? specialIds : [...specialIds, eosId])
  const texts = [...ids].map((id) => tokenizer.decode([id], { special: true }).trim())
  const words = [...new Set([...texts, ...Object.values(specialTokens)])].filter((word) => word !== "")
  if (words.length === 0) return undefined
  // the longest first: "<s>" may be the beginning of another
  const longestFirst = words.sort((a, b) => b.length - a.length)
  return new RegExp(longestFirst.map((word) => word.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join("|"), "g")
}

/** Token ids of a text, shape [tokens], and 1 for each that is in one of the spans (in order, without overlap). */
export interface MaskedIds {
  readonly ids: ReadonlyArray<number>
  readonly mask: Uint8Array // [tokens]
}

/**
 * Finds the tokens of a text that are in spans of its characters. Tokenizers return ids without positions, so positions are found by
 * tokenizing parts of the text:
 *
 *   1. the pieces between span borders one by one: if their concatenated ids are the text's, no token crosses a border
 *      (the usual case, since most borders are next to special tokens);
 *   2. else by the bytes of each token, if they concatenate to the text's;
 *   3. else, for every border, the text up to it: the ids shared with the whole text are before the border.
 *
 * A token that crosses a border belongs to the span, as in transformers.
 *
 * Throws if the tokenizer does.
 */
export const maskedIds = (text: string, spans: ReadonlyArray<Span>, tokenizer: Tokenizing): MaskedIds => {
  const { encode } = tokenizer
  const ids = encode(text)
  const mask = new Uint8Array(ids.length)
  if (spans.length === 1 && spans[0]![0] === 0 && spans[0]![1] === text.length) return { ids, mask: mask.fill(1) }
  const ranges =
    piecewise(text, spans, ids, encode) ?? placed(text, spans, ids, tokenizer) ?? bordered(text, spans, ids, encode)
  for (const [from, to] of ranges) mask.fill(1, from, to)
  return { ids, mask }
}

type Tokenizing = Pick<CausalTokenizer, "encode" | "decode" | "bytesOf">

type TokenRange = readonly [from: number, to: number]

/** Returns the spans as ranges of tokens, or undefined if the ids of the pieces differ from the text's. */
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

const utf8 = new TextEncoder()

/** By the bytes of each token. Returns undefined if they do not concatenate to the text's, as after a normalizer. */
const placed = (
  text: string,
  spans: ReadonlyArray<Span>,
  ids: ReadonlyArray<number>,
  { bytesOf, decode }: Tokenizing
): ReadonlyArray<TokenRange> | undefined => {
  const textBytes = utf8.encode(text)
  const ends = new Int32Array(ids.length)
  let at = 0
  for (const [i, id] of ids.entries()) {
    const bytes = bytesOf(id) ?? utf8.encode(decode([id], { special: true }))
    if (!bytes.every((byte, k) => textBytes[at + k] === byte)) return undefined
    at += bytes.length
    ends[i] = at
  }
  if (at !== textBytes.length) return undefined
  return spans.map(([start, end]) => {
    const before = utf8.encode(text.slice(0, start)).length
    const until = before + utf8.encode(text.slice(start, end)).length
    return [ends.findIndex((byte) => byte > before), ends.findIndex((byte) => byte >= until) + 1]
  })
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

/** Counts the common leading ids of two texts; `whole`: they are all ids of the shorter text. */
const sharedWith = (ids: ReadonlyArray<number>, part: ReadonlyArray<number>) => {
  let shared = 0
  while (shared < part.length && ids[shared] === part[shared]) shared++
  return { shared, whole: shared === part.length }
}
