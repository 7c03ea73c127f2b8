/**
 * A SentencePiece vocabulary as BPE with byte fallback: the form in which Llama 2, Mistral, Phi-3 and Gemma publish it.
 *
 *   normalize   "a b" → "▁a▁b"      (without the first ▁ where the file has no space prefix: Gemma)
 *   model       pieces are merged best score first; characters that are not pieces become bytes <0x00>…<0xFF>
 *   decode      ▁ → space, bytes → text, and the first space is removed where one was added
 *
 * A file has scores and no merges. Each way to make a piece of two others is a merge, with the piece's score: SentencePiece merges the two
 * neighbours that make the piece of the best score, so merges are taken in this order.
 *
 * In three points the files differ from the published tokenizers:
 *
 *  - Runs of spaces that users defined (Gemma's ▁▁, ▁▁▁, …) are stored as spaces, with a score that says nothing. They are pieces better
 *    than all others, the longest first: a run of spaces is never broken by what follows it.
 *  - A tab that is only there as its byte can be part of pieces (Gemma's runs of tabs): the byte's token is the tab's.
 *  - All but three of Phi-3's special tokens swallow the white space after them.
 */
import { limit, overLimit, quoted } from "../../boundary/index.ts"
import type { Metadata } from "./parse-header.ts"
import { type Around, addedTokens, aroundTexts, tokenTypes, type Vocabulary } from "./vocabulary.ts"

const SPACE = "\u2581"

/** Returns tokenizer.json of a SentencePiece vocabulary. */
export const sentencePieceJson = (
  vocabulary: Vocabulary,
  metadata: Metadata
): (Around & { readonly tokenizer: unknown }) | string => {
  const refusal = refusalOf(vocabulary, metadata)
  if (refusal !== undefined) return refusal
  const pieces = asPublished(vocabulary)
  const { tokens, unkId } = pieces
  const rstrip = metadata.get("general.architecture") === "phi3" ? takesSpace : undefined
  const addBos = (metadata.get("tokenizer.ggml.add_bos_token") ?? true) === true
  const addEos = metadata.get("tokenizer.ggml.add_eos_token") === true
  const addPrefixSpace = (metadata.get("tokenizer.ggml.add_space_prefix") ?? true) === true
  const spaces = { type: "Replace", pattern: { String: " " }, content: SPACE }
  const tokenizer = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens(pieces, rstrip),
    normalizer: addPrefixSpace
      ? { type: "Sequence", normalizers: [{ type: "Prepend", prepend: SPACE }, spaces] }
      : spaces,
    pre_tokenizer: null,
    post_processor: aroundTexts(pieces, addBos, addEos),
    decoder: decoder(addPrefixSpace),
    model: {
      type: "BPE",
      dropout: null,
      unk_token: unkId === null ? null : tokens[unkId]!,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: mergesOf(pieces)
    }
  }
  return { tokenizer, addBos, addEos, addPrefixSpace }
}

const refusalOf = ({ tokens, types, scores }: Vocabulary, metadata: Metadata): string | undefined => {
  for (const key of ["precompiled_charsmap", "remove_extra_whitespaces"]) {
    const value = metadata.get(`tokenizer.ggml.${key}`)
    const used = Array.isArray(value) ? value.length > 0 : value === true
    if (used)
      return `tokenizer.ggml.${key} is set, which changes texts in unsupported ways; use the model's Hugging Face folder`
  }
  if (scores.length !== tokens.length) {
    return `tokenizer.ggml.scores has ${scores.length} entries, the vocabulary ${tokens.length}; SentencePiece needs one for each`
  }
  const long = tokens.find((token) => token.length > limit("gguf-piece"))
  if (long !== undefined) return `the vocabulary has ${quoted(long)}, longer than ${overLimit("gguf-piece")}`
  const bytes = types.filter((type) => type === tokenTypes.byte).length
  return bytes === 256 ? undefined : `the vocabulary has ${bytes} byte tokens; expected 256 (byte fallback)`
}

const TAB_BYTE = "<0x09>"
const spacesOnly = /^ +$/
const runOfSpaces = /^\u2581+$/

/** The pieces by the names that tokenizer.json has for them. */
const asPublished = (vocabulary: Vocabulary): Vocabulary => {
  const { tokens, types } = vocabulary
  const hasTab = tokens.includes("\t")
  const published = tokens.map((token, id) => {
    if (types[id] === tokenTypes.byte && token === TAB_BYTE && !hasTab) return "\t"
    return types[id] === tokenTypes.userDefined && spacesOnly.test(token) ? token.replaceAll(" ", SPACE) : token
  })
  return { ...vocabulary, tokens: published }
}

/** Phi-3's special tokens that do not swallow the white space after them. */
const keepsSpace = ["<unk>", "<s>", "<|endoftext|>"]
const takesSpace = (token: string): boolean => !keepsSpace.includes(token)

const decoder = (stripFirst: boolean) => ({
  type: "Sequence",
  decoders: [
    { type: "Replace", pattern: { String: SPACE }, content: " " },
    { type: "ByteFallback" },
    { type: "Fuse" },
    ...(stripFirst ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : [])
  ]
})

type Merge = readonly [string, string]

/** Every pair of pieces that is a piece, best score first; of equal scores the longest left part first, then the longest right one. */
const mergesOf = ({ tokens, types, scores }: Vocabulary): ReadonlyArray<Merge> => {
  const scored = new Map<string, number>()
  tokens.forEach((token, id) => {
    if (types[id] === tokenTypes.normal) scored.set(token, scores[id]!)
    else if (types[id] === tokenTypes.userDefined && runOfSpaces.test(token)) scored.set(token, Number.MAX_VALUE)
  })
  const parts = new Set([...scored.keys(), "\t"])
  const merges: Array<{ readonly pair: Merge; readonly score: number }> = []
  for (const [token, score] of scored) {
    for (let at = token.length - 1; at > 0; at--) {
      const [left, right] = [token.slice(0, at), token.slice(at)]
      if (parts.has(left) && parts.has(right)) merges.push({ pair: [left, right], score })
    }
  }
  merges.sort(
    ({ pair: [a, b], score: first }, { pair: [c, d], score: second }) =>
      second - first || c.length - a.length || d.length - b.length
  )
  return merges.map(({ pair }) => pair)
}
