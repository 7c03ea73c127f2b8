/**
 * A SentencePiece vocabulary as BPE with byte fallback: the form in which Llama 2 and Mistral publish it.
 *
 *   normalize   "a b" → "▁a▁b"      (without the first ▁ where the file has no space prefix)
 *   model       pieces are merged best score first; characters that are no piece fall apart into bytes <0x00>…<0xFF>
 *   decode      ▁ → space, bytes → text, the first space away
 *
 * A file has scores and no merges. Each way to make a piece of two others is a merge, of the piece's score: what merges two neighbours to
 * the piece of the best score, as SentencePiece does, takes them in this order. Only Llama's architecture is read: the vocabularies of Gemma
 * and Phi-3 need rules (an order of merges other than the scores', spaces that special tokens swallow) that their files do not state.
 */
import type { Metadata } from "./gguf-file.ts"
import type { Around } from "./tokenizer-config.ts"
import { addedTokens, aroundTexts, tokenTypes, type Vocabulary } from "./vocabulary.ts"

const SPACE = "\u2581"

export const sentencePieceJson = (
  vocabulary: Vocabulary,
  metadata: Metadata
): (Around & { readonly tokenizer: unknown }) | string => {
  const refusal = refusalOf(vocabulary, metadata)
  if (refusal !== undefined) return refusal
  const { tokens, unkId } = vocabulary
  const addBos = (metadata.get("tokenizer.ggml.add_bos_token") ?? true) === true
  const addEos = metadata.get("tokenizer.ggml.add_eos_token") === true
  const addPrefixSpace = (metadata.get("tokenizer.ggml.add_space_prefix") ?? true) === true
  const spaces = { type: "Replace", pattern: { String: " " }, content: SPACE }
  const tokenizer = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens(vocabulary),
    normalizer: addPrefixSpace
      ? { type: "Sequence", normalizers: [{ type: "Prepend", prepend: SPACE }, spaces] }
      : spaces,
    pre_tokenizer: null,
    post_processor: aroundTexts(vocabulary, addBos, addEos),
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
      merges: mergesOf(vocabulary)
    }
  }
  return { tokenizer, addBos, addEos, addPrefixSpace }
}

const refusalOf = ({ tokens, types, scores }: Vocabulary, metadata: Metadata): string | undefined => {
  const architecture = metadata.get("general.architecture")
  if (architecture !== "llama") {
    return `tokenizer.ggml.model is "llama" (SentencePiece), which is not read for the architecture ${architecture}; expected "gpt2"`
  }
  if (scores.length !== tokens.length) {
    return `tokenizer.ggml.scores has ${scores.length} entries, the vocabulary ${tokens.length}; SentencePiece needs one for each`
  }
  const bytes = types.filter((type) => type === tokenTypes.byte).length
  return bytes === 256 ? undefined : `the vocabulary has ${bytes} byte tokens; expected 256 (byte fallback)`
}

const decoder = (stripFirst: boolean) => ({
  type: "Sequence",
  decoders: [
    { type: "Replace", pattern: { String: SPACE }, content: " " },
    { type: "ByteFallback" },
    { type: "Fuse" },
    ...(stripFirst ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : [])
  ]
})

/** Every pair of pieces that is a piece, best score first; of one piece the pair with the longer left part first. */
const mergesOf = ({ tokens, types, scores }: Vocabulary): ReadonlyArray<readonly [string, string]> => {
  const pieces = new Set(tokens.filter((_, id) => types[id] === tokenTypes.normal))
  const merges: Array<{ readonly pair: readonly [string, string]; readonly score: number }> = []
  tokens.forEach((token, id) => {
    if (types[id] !== tokenTypes.normal) return
    for (let at = token.length - 1; at > 0; at--) {
      const pair = [token.slice(0, at), token.slice(at)] as const
      if (pieces.has(pair[0]) && pieces.has(pair[1])) merges.push({ pair, score: scores[id]! })
    }
  })
  // stable: pairs of one piece stay in their order
  return merges.sort((a, b) => b.score - a.score).map(({ pair }) => pair)
}
