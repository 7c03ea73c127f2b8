/**
 * The tokenizer in a GGUF file's metadata as the objects that tokenizer.json and tokenizer_config.json hold.
 *
 *   tokenizer.ggml.model     "gpt2": byte-level BPE (this file), "llama": SentencePiece (sentence-piece.ts)
 *   tokenizer.ggml.pre       how a text is cut first (pre-tokenizers.ts)
 *   tokenizer.ggml.tokens, .token_type, .merges, .scores      by id      types: 3 control, 4 defined by users, 6 byte, …
 *
 * A kind or a cut that is not known is refused: a tokenizer that is nearly right trains nearly well.
 */
import { quoted } from "../../boundary/index.ts"
import type { Metadata, MetadataValue } from "./parse-header.ts"
import { cuttings } from "./pre-tokenizers.ts"
import { sentencePieceJson } from "./sentence-piece.ts"
import { addedTokens, aroundTexts, tokenizerConfigOf, type Vocabulary } from "./vocabulary.ts"

interface GgufTokenizer {
  /** tokenizer.json; null: the file has no vocabulary */
  readonly tokenizer: unknown
  readonly tokenizerConfig: unknown
  readonly problems: ReadonlyArray<string>
}

const none: GgufTokenizer = { tokenizer: null, tokenizerConfig: null, problems: [] }

/** Returns the tokenizer files of a GGUF file's metadata. */
export const tokenizerOf = (metadata: Metadata): GgufTokenizer => {
  const model = metadata.get("tokenizer.ggml.model")
  if (model === undefined || model === "none" || model === "no_vocab") return none
  if (model !== "gpt2" && model !== "llama") {
    return refused(`tokenizer.ggml.model is ${quoted(model)}; supported are "gpt2" (byte-level BPE) and "llama"`)
  }
  const vocabulary = vocabularyOf(metadata)
  if (typeof vocabulary === "string") return refused(vocabulary)
  const json = model === "gpt2" ? byteLevelJson(vocabulary, metadata) : sentencePieceJson(vocabulary, metadata)
  if (typeof json === "string") return refused(json)
  return { tokenizer: json.tokenizer, tokenizerConfig: tokenizerConfigOf(vocabulary, metadata, json), problems: [] }
}

const refused = (problem: string): GgufTokenizer => ({ ...none, problems: [problem] })

const byteLevelJson = (vocabulary: Vocabulary, metadata: Metadata) => {
  const pre = metadata.get("tokenizer.ggml.pre")
  const cutting = typeof pre === "string" && Object.hasOwn(cuttings, pre) ? cuttings[pre] : undefined
  if (cutting === undefined) {
    const known = Object.keys(cuttings).join(", ")
    return `tokenizer.ggml.pre ${pre === undefined ? "is missing" : `is ${quoted(pre)}`}; read are ${known}; use the model's Hugging Face folder`
  }
  const merges = mergesOf(metadata.get("tokenizer.ggml.merges"))
  if (typeof merges === "string") return merges
  const addBos = (metadata.get("tokenizer.ggml.add_bos_token") ?? cutting.addBos) === true
  const addEos = metadata.get("tokenizer.ggml.add_eos_token") === true
  const tokenizer = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens(vocabulary),
    normalizer: cutting.normalizer,
    pre_tokenizer: cutting.preTokenizer,
    post_processor: aroundTexts(vocabulary, addBos, addEos),
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: cutting.ignoreMerges,
      // not an object literal built by assignment: a token may be called __proto__
      vocab: Object.fromEntries(vocabulary.tokens.map((token, id) => [token, id])),
      merges
    }
  }
  return { tokenizer, addBos, addEos, addPrefixSpace: false }
}

const mergesOf = (stored: MetadataValue | undefined): ReadonlyArray<readonly [string, string]> | string => {
  if (!Array.isArray(stored)) return "tokenizer.ggml.merges is missing; byte-level BPE needs it"
  const pairs = stored.map((merge) => String(merge).split(" "))
  const wrong = pairs.findIndex((pair) => pair.length !== 2)
  if (wrong >= 0) return `tokenizer.ggml.merges: entry ${wrong} is ${quoted(stored[wrong])}; expected two tokens`
  return pairs as ReadonlyArray<ReadonlyArray<string>> as ReadonlyArray<readonly [string, string]>
}

const vocabularyOf = (metadata: Metadata): Vocabulary | string => {
  const tokens = metadata.get("tokenizer.ggml.tokens")
  const types = metadata.get("tokenizer.ggml.token_type")
  const scores = metadata.get("tokenizer.ggml.scores") ?? []
  if (!isListOf(tokens, "string")) return "tokenizer.ggml.tokens is not a list of strings"
  if (!isListOf(types, "number") || types.length !== tokens.length) {
    return `tokenizer.ggml.token_type is not a list of ${tokens.length} numbers`
  }
  if (!isListOf(scores, "number")) return "tokenizer.ggml.scores is not a list of numbers"
  const idOf = (name: string): number | null => {
    const id = metadata.get(`tokenizer.ggml.${name}_token_id`)
    return typeof id === "number" && id < tokens.length ? id : null
  }
  const [bosId, eosId, unkId, padId] = [idOf("bos"), idOf("eos"), idOf("unknown"), idOf("padding")] as const
  return { tokens, types, scores, bosId, eosId, unkId, padId }
}

const isListOf = <T extends "string" | "number">(
  value: MetadataValue | undefined,
  type: T
): value is ReadonlyArray<T extends "string" ? string : number> =>
  Array.isArray(value) && value.every((item) => typeof item === type)
