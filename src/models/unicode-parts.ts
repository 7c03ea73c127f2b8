/**
 * Parts of the tokenizer library that look at characters, as the Rust library has them, with which models are trained. The library in
 * JavaScript asks the engine, whose classes are those of another Unicode and whose `\s` has U+FEFF and lacks U+0085; it splits by four of the
 * five behaviors alike, and takes NFKC for each table of SentencePiece.
 */
import {
  BertNormalizer,
  BertPreTokenizer,
  ByteLevelPreTokenizer,
  DigitsPreTokenizer,
  LowercaseNormalizer,
  MetaspacePreTokenizer,
  NFCNormalizer,
  NFDNormalizer,
  NFKCNormalizer,
  NFKDNormalizer,
  type Normalizer,
  PrecompiledNormalizer,
  type PreTokenizer,
  PunctuationPreTokenizer,
  SplitPreTokenizer,
  StripAccentsNormalizer,
  StripNormalizer,
  WhitespacePreTokenizer,
  WhitespaceSplitPreTokenizer
} from "@huggingface/tokenizers"
import { lowercase, normalize, pattern, trimmed } from "../patterns/index.ts"
import { charsmap } from "./charsmap.ts"
import type { Growth } from "./tokenizer-growth.ts"
import type { Fields } from "./tokenizer-json.ts"

/** Returns a normalizer part's function; undefined if the library's result is the same. */
export const normalizing = (
  part: Normalizer,
  config: Fields,
  growth: Growth
): ((text: string) => string) | undefined => {
  if (part instanceof BertNormalizer) return bertNormalizing(config)
  if (part instanceof LowercaseNormalizer) return lowercase
  if (part instanceof NFCNormalizer) return (text) => normalize(text, "NFC")
  if (part instanceof NFDNormalizer) return (text) => normalize(text, "NFD")
  if (part instanceof NFKCNormalizer) return (text) => normalize(text, "NFKC")
  if (part instanceof NFKDNormalizer) return (text) => normalize(text, "NFKD")
  if (part instanceof PrecompiledNormalizer) {
    const { clusters, replaced } = charsmap(String(config["precompiled_charsmap"] ?? ""))
    return (text) => growth.replace(text, clusters, replaced)
  }
  if (part instanceof StripAccentsNormalizer) return without("\\p{Mark}")
  if (part instanceof StripNormalizer) {
    const sides = { left: config["strip_left"] === true, right: config["strip_right"] === true }
    return (text) => trimmed(text, sides)
  }
  return undefined
}

const without = (source: string) => {
  const expression = pattern(source)
  return (text: string) => text.replace(expression, "")
}

/** The Rust library's, in which a part of Extension E, U+2B820 to U+2B91F, is missing. */
const ideographs =
  /[\u3400-\u4DBF\u4E00-\u9FFF\uF900-\uFAFF\u{20000}-\u{2A6DF}\u{2A700}-\u{2B81F}\u{2B920}-\u{2CEAF}\u{2F800}-\u{2FA1F}]/gu

const bertNormalizing = (config: Fields) => {
  const { clean_text: cleans, handle_chinese_chars: spaced, lowercase: lowers, strip_accents: strips } = config
  const [removed, accents, space] = [without("\\p{Removed}"), without("\\p{Accent}"), pattern("\\p{White_Space}")]
  const steps = [
    cleans === true && ((text: string) => removed(text).replace(space, " ")),
    spaced === true && ((text: string) => text.replace(ideographs, " $& ")),
    (strips ?? lowers) === true && ((text: string) => accents(normalize(text, "NFD"))),
    lowers === true && lowercase
  ].filter((step) => step !== false)
  return (text: string) => steps.reduce((made, step) => step(made), text)
}

/** A text, and what the library says of its place. */
type Cut = (text: string, options?: object) => Array<string>

/** Returns the function by which a pre-tokenizer part splits a text; undefined if the library's result is the same. */
export const cutting = (part: PreTokenizer, config: Fields): Cut | undefined => {
  const behavior = String(config["behavior"] ?? "Isolated")
  if (part instanceof BertPreTokenizer) return matches("[^\\p{White_Space}\\p{Punctuation8}]+|\\p{Punctuation8}")
  if (part instanceof WhitespacePreTokenizer) return matches("\\p{WordOfRegex}+|[^\\p{WordOfRegex}\\p{White_Space}]+")
  if (part instanceof WhitespaceSplitPreTokenizer) return matches("[^\\p{White_Space}]+")
  if (part instanceof PunctuationPreTokenizer) return cutAt(pattern("\\p{Punctuation8}"), behavior)
  if (part instanceof DigitsPreTokenizer)
    return cutAt(pattern("\\p{Numeric}"), config["individual_digits"] === true ? "Isolated" : "Contiguous")
  if (part instanceof SplitPreTokenizer && part.pattern !== null)
    return cutAt(part.pattern, behavior, config["invert"] === true)
  if (part instanceof MetaspacePreTokenizer && config["split"] !== false) {
    const { replacement } = part
    const prefixed = part.pre_tokenize_text.bind(part)
    const cut = cutAt(pattern(`\\u{${replacement.codePointAt(0)!.toString(16)}}`), "MergedWithNext")
    const cutAgain = (text: string) => (text.lastIndexOf(replacement) > 0 ? cut(text) : [text])
    return (text, options) => prefixed(text, options).flatMap(cutAgain)
  }
  if (part instanceof ByteLevelPreTokenizer) part.pattern = pattern(gpt2Words)
  return undefined
}

const gpt2Words =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\p{White_Space}\\p{L}\\p{N}]+|\\p{White_Space}+(?!\\P{White_Space})|\\p{White_Space}+"

const matches = (source: string): Cut => {
  const expression = pattern(source)
  return (text) => text.match(expression) ?? []
}

/** Cuts at matches or, with `invert`, at what is between them; `behavior` says where these go, in the spelling of files or of Python. */
const cutAt = (expression: RegExp, behavior: string, invert = false): Cut => {
  const name = behavior.toLowerCase().replaceAll("_", "")
  return (text) => {
    const [pieces, delimits]: [Array<string>, Array<boolean>] = [[], []]
    let end = 0
    const add = (to: number, isMatch: boolean) => {
      if (to > end) {
        pieces.push(text.slice(end, to))
        delimits.push(isMatch !== invert)
      }
      end = to
    }
    for (const { 0: match, index } of text.matchAll(expression)) {
      add(index, false)
      add(index + match.length, true)
    }
    add(text.length, false)
    if (name === "removed") return pieces.filter((_, i) => !delimits[i])
    if (name === "contiguous") return joined(pieces, (i) => delimits[i] === delimits[i - 1])
    // of several in a row, the delimiter next to what it belongs to
    if (name === "mergedwithprevious") return joined(pieces, (i) => delimits[i]! && !delimits[i - 1])
    return name === "mergedwithnext" ? joined(pieces, (i) => delimits[i - 1]! && !delimits[i]) : pieces
  }
}

/** `joins`: whether a piece belongs to the one before it. */
const joined = (pieces: ReadonlyArray<string>, joins: (i: number) => boolean): Array<string> => {
  const made: Array<string> = []
  for (const [i, piece] of pieces.entries()) {
    if (i > 0 && joins(i)) made[made.length - 1] += piece
    else made.push(piece)
  }
  return made
}
