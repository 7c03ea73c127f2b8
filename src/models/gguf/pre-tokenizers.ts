/**
 * How a text is cut before byte-level BPE, by `tokenizer.ggml.pre`: the file names the rule, tokenizer.json spells it out. Each is what the
 * named checkpoints' own tokenizer.json has.
 */

export interface Cutting {
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

/**
 * Single digits, then as GPT-2. Written as a split at \p{N}, which is what `Digits` is in the Rust library; the one in JavaScript takes
 * only 0…9 for digits there, and a text with ½ or Ⅷ gets other ids.
 */
const digits: Cutting = { ...plain, preTokenizer: sequence(split("\\p{N}"), byteLevel(true)) }

/** `numbers`: how many digits stay together */
const words = (numbers: string) =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${numbers}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`

const llama3: Cutting = {
  normalizer: null,
  preTokenizer: sequence(split(words("\\p{N}{1,3}")), byteLevel(false)),
  ignoreMerges: true,
  addBos: true
}

const qwen2: Cutting = {
  ...plain,
  normalizer: { type: "NFC" },
  preTokenizer: sequence(split(words("\\p{N}")), byteLevel(false))
}

export const cuttings: Readonly<Record<string, Cutting>> = {
  "gpt-2": plain,
  smollm: digits,
  "llama-bpe": llama3,
  "smaug-bpe": llama3,
  qwen2,
  "deepseek-r1-qwen": qwen2
}
