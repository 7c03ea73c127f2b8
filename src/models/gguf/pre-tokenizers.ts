/**
 * How a text is split before byte-level BPE, by `tokenizer.ggml.pre`: the file names the rule, tokenizer.json spells it out. Each rule is that
 * of the named checkpoints' own tokenizer.json; "default" is llama.cpp's own, for files that say no more.
 */

interface Cutting {
  readonly normalizer: unknown
  readonly preTokenizer: unknown
  /** a piece that is a token as a whole is one, whatever the merges say */
  readonly ignoreMerges: boolean
  /** texts begin with BOS where the file does not say */
  readonly addBos: boolean
}

const byteLevel = (useRegex: boolean) => ({
  type: "ByteLevel",
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: useRegex
})

const split = (pattern: string) => ({ type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false })

const sequence = (...pretokenizers: ReadonlyArray<unknown>) => ({ type: "Sequence", pretokenizers })

const plain: Cutting = { normalizer: null, preTokenizer: byteLevel(true), ignoreMerges: false, addBos: false }
const normalized: Cutting = { ...plain, normalizer: { type: "NFC" } }

/** Cut at each pattern in turn, and nowhere else. */
const cutAt = (...patterns: ReadonlyArray<string>) => sequence(...patterns.map(split), byteLevel(false))

/**
 * Single digits, then as GPT-2. Written as a split at \p{N}, which is what `Digits` is in the Rust library; the one in JavaScript takes
 * only 0…9 for digits there, and a text with ½ or Ⅷ gets other ids.
 */
const digits = sequence(split("\\p{N}"), byteLevel(true))

const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
const spaces = "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/** Words with one character before them. `numbers`: how many digits stay together. `marks`: whether they belong to words. */
const words = (numbers: string, letter = "\\p{L}", neither = "\\p{L}\\p{N}") =>
  `${contractions}|[^\\r\\n\\p{L}\\p{N}]?${letter}+|${numbers}| ?[^\\s${neither}]+[\\r\\n]*|${spaces}`
const withMarks = words("\\p{N}", "[\\p{L}\\p{M}]", "\\p{L}\\p{M}\\p{N}")

/** Words cut where small letters are followed by capitals. `ending`: what may follow a word. */
const casedWords = (numbers: string, ending = "") => {
  const [upper, lower] = ["[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]", "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"]
  const before = "[^\\r\\n\\p{L}\\p{N}]?"
  const word = `${before}${upper}*${lower}+${ending}|${before}${upper}+${lower}*${ending}`
  return `${word}|${numbers}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${spaces}`
}

const llama3: Cutting = {
  normalizer: null,
  preTokenizer: cutAt(words("\\p{N}{1,3}")),
  ignoreMerges: true,
  addBos: true
}
const qwen2: Cutting = { ...normalized, preTokenizer: cutAt(words("\\p{N}")) }

/** DeepSeek's letters of alphabets with capitals, and its ideographs (whose ranges hold all from U+0800 to U+9FA5, and Hangul). */
const deepseekLetters =
  "\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+"
const deepseekIdeographs = "[一-龥ࠀ-一가-\ud7ff]+"

const deepseekLlm = cutAt(
  "[\\r\\n]",
  deepseekLetters,
  "\\s?[!-/:-~！-／：-～‘-‟\u3000-。]+",
  "\\s+$",
  deepseekIdeographs,
  "\\p{N}"
)
const deepseekCoder = cutAt("[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", deepseekIdeographs, "\\p{N}")
const deepseekV3 = cutAt(
  "\\p{N}{1,3}",
  "[一-龥\u3040-ゟ゠-ヿ]+",
  `[!"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_\`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|${spaces}`
)

/** Numbers are cut after the text has become bytes: those that are written ², ³, ¹, ¼, ½, ¾ there are cut off as well, as in Rust. */
const falcon = sequence(split("[\\p{P}$+<=>^`|~]+"), byteLevel(true), split("\\p{N}+"), split("[0-9][0-9][0-9]"))

const gpt2Words = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
const llamaCppDefault = cutAt("[\\p{P}$+<=>^~|]+", gpt2Words, "\\p{N}+", "[0-9][0-9][0-9]")

/** Pre-tokenizers by their GGUF names. */
export const cuttings: Readonly<Record<string, Cutting>> = {
  default: { ...plain, preTokenizer: llamaCppDefault },
  "gpt-2": plain,
  "phi-2": plain,
  mpt: normalized,
  olmo: normalized,
  smollm: { ...plain, preTokenizer: digits },
  starcoder: { ...plain, preTokenizer: digits },
  refact: { ...plain, preTokenizer: digits },
  "command-r": { ...normalized, preTokenizer: digits, addBos: true },
  llama3,
  "llama-v3": llama3,
  "llama-bpe": llama3,
  "smaug-bpe": llama3,
  dbrx: { ...llama3, ignoreMerges: false, addBos: false },
  qwen2,
  "deepseek-r1-qwen": qwen2,
  stablelm2: qwen2,
  qwen35: { ...normalized, preTokenizer: cutAt(withMarks) },
  tekken: { ...llama3, preTokenizer: cutAt(casedWords("\\p{N}")) },
  "gpt-4o": { ...plain, preTokenizer: cutAt(casedWords("\\p{N}{1,3}", `${contractions}?`)) },
  "deepseek-llm": { ...plain, preTokenizer: deepseekLlm },
  "deepseek-coder": { ...plain, preTokenizer: deepseekCoder },
  "deepseek-v3": { ...plain, preTokenizer: deepseekV3 },
  falcon: { ...plain, preTokenizer: falcon }
}
