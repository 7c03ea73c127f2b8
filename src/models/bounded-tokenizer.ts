/**
 * The tokenizer library with bounds: on the time of patterns here, on the length of texts in `tokenizer-growth.ts`. It compiles what
 * tokenizer.json says to regular expressions of the engine, and those backtrack: `(a+)+$` takes 2ⁿ steps on n letters (in Bun it gives
 * up after 2 s, and says that nothing matches). Patterns known to be linear stay as they are; any other runs in `LinearRegExp`, which
 * finds the same and takes about twenty times as long for it (0.4 s for a million characters; to encode then takes three times as long).
 */

import {
  BPE,
  Normalizer,
  PreTokenizer,
  ReplaceDecoder,
  ReplaceNormalizer,
  ReplacePreTokenizer,
  SequenceDecoder,
  SequenceNormalizer,
  SequencePreTokenizer,
  SplitPreTokenizer,
  Tokenizer,
  Unigram,
  WordPiece
} from "@huggingface/tokenizers"
import { isRecord } from "../boundary/index.ts"
import { LinearRegExp, pattern, withOwnClasses } from "../patterns/index.ts"
import { type TokenizerParts, textEncoder } from "./added-tokens.ts"
import { cuttings } from "./gguf/pre-tokenizers.ts"
import { beginGrowth, boundGrowth, boundLattice, Growth } from "./tokenizer-growth.ts"
import type { Fields } from "./tokenizer-json.ts"
import { cutting, normalizing } from "./unicode-parts.ts"

/** A tokenizer that splits texts in bounded time. Throws for a pattern without a bound on its time. */
export class BoundedTokenizer extends Tokenizer {
  constructor(json: Fields, config: Fields) {
    super(json, { ...config, additional_special_tokens: additionalTokens(json, config) })
    Object.assign(this, { encode_text: textEncoder(this as unknown as TokenizerParts) })
  }
}

// None has any, since tokenizer.json marks special tokens too. The library looks for each among all others.
const mostAdditional = 4_096

/** The special tokens of the config that tokenizer.json does not mark as such. */
const additionalTokens = (json: Fields, { additional_special_tokens: additional }: Fields): unknown => {
  if (!Array.isArray(additional)) return additional
  const added: ReadonlyArray<unknown> = Array.isArray(json["added_tokens"]) ? json["added_tokens"] : []
  const marked = new Set(added.filter(isRecord).flatMap(({ content, special }) => (special === true ? [content] : [])))
  const others = [...new Set(additional)].filter((token) => !marked.has(token))
  if (others.length <= mostAdditional) return others
  throw new Error(
    `tokenizer_config.json has ${others.length} special tokens that tokenizer.json does not mark as special`
  )
}

// The constructor normalizes the added tokens, so the parts have to be bounded when it sets them and not after it.
for (const name of ["normalizer", "pre_tokenizer", "model", "decoder"]) {
  Object.defineProperty(BoundedTokenizer.prototype, name, {
    set(part: unknown) {
      const growth = new Growth()
      bound(part, (this as unknown as { readonly tokenizer: Fields }).tokenizer[name], growth)
      beginGrowth(part, growth)
      Object.defineProperty(this, name, { value: part, writable: true, enumerable: true, configurable: true })
    }
  })
}

/** The parts of a sequence, and the field of the file that has them. */
const partsOf = (part: unknown): readonly [parts: ReadonlyArray<unknown>, field: string] | null => {
  if (part instanceof SequenceNormalizer) return [part.normalizers, "normalizers"]
  if (part instanceof SequencePreTokenizer) return [part.tokenizers, "pretokenizers"]
  return part instanceof SequenceDecoder ? [part.decoders, "decoders"] : null
}

/** `fields`: the part in the file. */
const bound = (part: unknown, fields: unknown, growth: Growth): void => {
  const config = isRecord(fields) ? fields : {}
  const sequence = partsOf(part)
  if (sequence !== null) {
    const [parts, field] = sequence
    for (const [i, each] of parts.entries()) bound(each, (config[field] as ReadonlyArray<unknown>)[i], growth)
    return
  }
  if (part instanceof Unigram) {
    boundLattice(part)
    readScores(part)
  } else if (part instanceof WordPiece) cutInReach(part)
  else if (part instanceof BPE) leaveOutUnknown(part)
  else if (
    part instanceof SplitPreTokenizer ||
    part instanceof ReplaceNormalizer ||
    part instanceof ReplacePreTokenizer ||
    part instanceof ReplaceDecoder
  ) {
    const expression: string | undefined = part.config.pattern?.Regex
    if (expression !== undefined && part.pattern !== null) {
      // the library's own source: it writes the syntax of the files in that of JavaScript
      const { source } = part.pattern
      part.pattern = linear.has(expression) ? pattern(source) : new LinearRegExp(withOwnClasses(source))
    }
  }
  if (part instanceof Normalizer) part.normalize = normalizing(part, config, growth) ?? part.normalize
  else if (part instanceof PreTokenizer) part.pre_tokenize_text = cutting(part, config) ?? part.pre_tokenize_text
  boundGrowth(part, growth)
}

/**
 * Scores as Rust's serde_json reads them, digits through a power of ten, which now and then is a bit off the nearest number: it decides
 * which of two ways to cut "3555" is better, 5 and 55 or 55 and 5.
 */
const readScores = (model: Unigram): void => {
  model.scores = model.scores.map(scoreInRust)
  model.unk_score = scoreInRust(model.min_score) - 10
  if (model.unk_token_id !== undefined) model.scores[model.unk_token_id] = model.unk_score
}

const scoreInRust = (score: number): number => {
  const match = /^-?(\d+)\.?(\d*)(?:e([+-]\d+))?$/.exec(String(score))
  if (match === null) return score
  const [, whole = "", fraction = "", exponent = "0"] = match
  const power = Number(exponent) - fraction.length
  const digits = Math.sign(score) * Number(whole + fraction)
  const scale = Number(`1e${Math.abs(power)}`)
  return power < 0 ? digits / scale : digits * scale
}

/**
 * Without a token for what is unknown, the Rust library leaves out letters that no token is for before it merges those next to them, this
 * one after it. (SmolLM2 has none for some bytes.)
 */
const leaveOutUnknown = (model: BPE): void => {
  if ((model.unk_token ?? null) !== null || model.byte_fallback || model.end_of_word_suffix) return
  const letters = [...model.tokens_to_ids.keys()].filter((token) => token.length < 3 && [...token].length === 1)
  const codes = letters.map((letter) => `\\u{${letter.codePointAt(0)!.toString(16)}}`)
  const unknown = new RegExp(`[^${codes.join("")}]`, "gu")
  const merge = model.bpe.bind(model)
  model.bpe = (word) => model.cache.get(word) ?? merge(word.replace(unknown, ""))
}

/**
 * Cuts words from the left into the longest tokens, as the library does, which however begins each search at the end of the word: words of
 * a hundred characters, a megabyte of them, take it half a minute. No piece is longer than the longest token.
 */
const cutInReach = (model: WordPiece): void => {
  const { tokens_to_ids: ids, config, unk_token: unknown = "" } = model
  const piecesOf = (word: string, longest: number): ReadonlyArray<string> | undefined => {
    const most = model.max_input_chars_per_word
    if (word.length > most && [...word].length > most) return undefined
    const pieces: Array<string> = []
    for (let start = 0; start < word.length; ) {
      let end = Math.min(word.length, start + longest)
      const piece = () => (start === 0 ? word.slice(0, end) : config.continuing_subword_prefix + word.slice(start, end))
      let next = piece()
      while (end > start && !ids.has(next)) {
        end--
        next = piece()
      }
      if (end === start) return undefined
      pieces.push(next)
      start = end
    }
    return pieces
  }
  let longest = 0
  model.encode = (words) => {
    // not before the first text: the added tokens come after the vocabulary
    if (longest === 0) for (const { length } of ids.keys()) longest = Math.max(longest, length)
    return words.flatMap((word) => piecesOf(word, longest) ?? [unknown])
  }
}

const patternsIn = (part: unknown): ReadonlyArray<string> => {
  if (typeof part !== "object" || part === null) return []
  return Object.entries(part).flatMap(([key, value]) =>
    key === "Regex" && typeof value === "string" ? [value] : patternsIn(value)
  )
}

/** DeepSeek LLM's: from every blank of a run that does not end the text it reads to the end of the run. */
const quadratic = "\\s+$"

/**
 * Patterns of published tokenizers on which an engine that backtracks is linear on every text, by the count of its steps
 * (test/src/models/bounded-tokenizer.test.ts). What a part of theirs reads and gives back, another part consumes at once.
 */
export const linear: ReadonlySet<string> = new Set([
  ...Object.values(cuttings)
    .flatMap(({ preTokenizer }) => patternsIn(preTokenizer))
    .filter((pattern) => pattern !== quadratic),
  // T5, ALBERT, XLM-RoBERTa
  " {2,}",
  // CLIP
  "\\s+",
  "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+",
  // BLOOM
  " ?[^(\\s|[.,!?…。，、।۔،])]+",
  // GPT-4, Ling, nanochat
  ...["{1,3}", "", "{1,2}"].map(
    (digits) =>
      `'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}${digits}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+`
  )
])
