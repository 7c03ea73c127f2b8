/** Characters as the Rust library has them, whichever Unicode the engine knows: the rules one by one, and some random texts. */
import { expect, test } from "bun:test"
import { join } from "node:path"
import {
  ByteLevelPreTokenizer,
  ReplaceNormalizer,
  SequenceNormalizer,
  SequencePreTokenizer,
  SplitPreTokenizer
} from "@huggingface/tokenizers"
import { BoundedTokenizer } from "../../../src/models/bounded-tokenizer.ts"
import { lowercase, normalize, pattern, trimmed } from "../../../src/patterns/index.ts"
import { goldens } from "./golden.ts"
import { unicodeGoldens } from "./unicode-tokens.ts"

const { names, jsonOf, differing } = unicodeGoldens(join(goldens, "tokenizers"))

const tokenizer = (parts: object) =>
  new BoundedTokenizer(
    {
      added_tokens: [],
      normalizer: null,
      pre_tokenizer: null,
      post_processor: null,
      decoder: null,
      model: { type: "BPE", vocab: { a: 0 }, merges: [] },
      ...parts
    },
    {}
  )
const normalized = (type: string, text: string, fields: object = {}) =>
  tokenizer({ normalizer: { type, ...fields } }).normalizer!(text)
const cut = (type: string, text: string, fields: object = {}) =>
  tokenizer({ pre_tokenizer: { type, ...fields } }).pre_tokenizer!(text)
const split = (regex: string, behavior: string, invert = false) => ({ pattern: { Regex: regex }, behavior, invert })

// all kinds and texts are in unicode.processes.ts
test.each(["bert", "gpt2", "llama3", "t5", "whitespace, lowercase"])("%s: random texts", (name) =>
  expect(differing(name, 50)).toEqual([])
)

test("no pattern asks the engine what a character is", () => {
  const patterns = (part: unknown): ReadonlyArray<RegExp | null> => {
    if (part instanceof SequencePreTokenizer) return part.tokenizers.flatMap(patterns)
    if (part instanceof SequenceNormalizer) return part.normalizers.flatMap(patterns)
    const has = [SplitPreTokenizer, ByteLevelPreTokenizer, ReplaceNormalizer].some((type) => part instanceof type)
    return has ? [(part as SplitPreTokenizer).pattern] : []
  }
  const kinds = names.filter((name) => !/^(bert|smollm2|t5|xlm)/.test(name))
  const sources = kinds.flatMap((name) => {
    const { normalizer, pre_tokenizer } = new BoundedTokenizer(jsonOf(name), {})
    return [normalizer, pre_tokenizer].flatMap(patterns).map((pattern) => pattern!.source)
  })
  expect(sources.length).toBeGreaterThan(20)
  expect(sources.filter((source) => /\\[pPsSwWdDbB]/.test(source.replaceAll("\\\\", "")))).toEqual([])
})

test("white space has U+0085 and lacks U+FEFF", () => {
  expect(cut("WhitespaceSplit", "a\ufeffb\u0085c\u180ed e")).toEqual(["a\ufeffb", "c\u180ed", "e"])
  expect(cut("BertPreTokenizer", "\ufeffa\u0085b")).toEqual(["\ufeffa", "b"])
  expect(cut("ByteLevel", "\ufeff\u0085").length).toBe(2)
  expect(normalized("Strip", "\u0085\ufeffa\u3000", { strip_left: true, strip_right: true })).toBe("\ufeffa")
  expect(trimmed(" a ", { left: false, right: true })).toBe(" a")
})

test("classes are those of the Unicode that each part of the library knows", () => {
  // U+061D came with Unicode 14, U+2E5D with 14: no punctuation for unicode_categories, which has Unicode 8; oniguruma has 16
  expect(cut("BertPreTokenizer", "a\u061db!c")).toEqual(["a\u061db", "!", "c"])
  expect(cut("Punctuation", "a\u2e5db,,c")).toEqual(["a\u2e5db", ",", ",", "c"])
  expect(cut("Split", "a\u061db", split("\\p{P}", "Isolated"))).toEqual(["a", "\u061d", "b"])
  // U+A7F1 came with Unicode 17, U+1C89 with 16
  expect(cut("Split", "\u1c89\ua7f1", split("\\p{L}+", "Isolated"))).toEqual(["\u1c89", "\ua7f1"])
  expect(cut("Digits", "a\u00bd\u{11de0}b1", { individual_digits: false })).toEqual(["a", "\u00bd\u{11de0}", "b", "1"])
  expect(cut("Whitespace", "a\u200db\u00b2")).toEqual(["a\u200db", "\u00b2"])
  expect("\u00b2a".replace(pattern("\\p{Word}"), "")).toBe("\u00b2")
})

test("properties that only the engine knows end with what oniguruma knows", () => {
  const han = pattern("\\p{Script=Han}")
  // Extension J came with Unicode 17, Extension I with 15
  expect(["漢", "\u{2ebf0}", "\u{323b0}", "a"].map((character) => character.search(han))).toEqual([0, 0, -1, -1])
  expect("a1".replace(pattern("[\\P{L}]"), "")).toBe("a")
})

test("small letters one by one, of all capitals of Unicode 17", () => {
  expect(lowercase("ΑΣ ΣΑΣ İI ǅ ẞ")).toBe("ασ σασ i̇i ǆ ß")
  expect(lowercase("\ua7cb\ua7cc\ua7dc\u{10d50}\u{16eb8}")).toBe("\u0264\ua7cd\u019b\u{10d70}\u{16ed3}")
})

test("what is newer than the library's tables has no form of normalization", () => {
  // U+32FF came with Unicode 12.1, U+1E9B long before
  expect(normalize("\u32ff \u1e9b", "NFKC")).toBe("\u32ff \u1e61")
  // U+1ABF came with 13: a mark that orders itself before others, which the library has not
  expect(normalize("a\u0301\u1abf", "NFD")).toBe("a\u0301\u1abf")
  expect(normalize("e\u0301\u0323가", "NFD")).toBe("e\u0323\u0301\u1100\u1161")
})

test("pieces go where the behavior says", () => {
  const pieces = (behavior: string, invert = false) => cut("Split", "--a-b--", split("-", behavior, invert))
  expect(pieces("Isolated")).toEqual(["-", "-", "a", "-", "b", "-", "-"])
  expect(pieces("Removed")).toEqual(["a", "b"])
  expect(pieces("Removed", true)).toEqual(["-", "-", "-", "-", "-"])
  expect(pieces("Contiguous")).toEqual(["--", "a", "-", "b", "--"])
  expect(pieces("MergedWithPrevious")).toEqual(["-", "-", "a-", "b-", "-"])
  expect(pieces("MergedWithNext")).toEqual(["-", "-a", "-b", "-", "-"])
  expect(cut("Metaspace", "a  b", { split: true })).toEqual(["▁a", "▁", "▁b"])
  expect(cut("Metaspace", "a  b", { split: false })).toEqual(["▁a▁▁b"])
})

test("added tokens: white space beside them, words around them", () => {
  const token = (id: number, content: string, fields: object) => ({
    id,
    content,
    special: true,
    normalized: false,
    ...fields
  })
  const added_tokens = [token(1, "<s>", { lstrip: true, rstrip: true }), token(2, "<w>", { single_word: true })]
  const own = tokenizer({
    added_tokens,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false },
    model: { type: "BPE", vocab: { Ġ: 0, "<": 3, w: 4, ">": 5 }, merges: [], unk_token: "Ġ" }
  })
  expect(own.encode("w \u0085<s>\u3000 w").ids).toEqual([4, 1, 4])
  expect(own.encode("w<w> <w> <w>").ids).toEqual([4, 3, 4, 5, 0, 2, 0, 2])
})

test("of two ways to cut that are equally good, the one that Rust's reading of scores prefers", () => {
  // the Rust library's ids
  const { ids } = new BoundedTokenizer(jsonOf("unigram, unsplit"), {}).encode("\u{76274}3555\u{6e778}1430")
  expect(ids.slice(2)).toEqual([288, 19, 2, 4, 30, 111])
})

test("a letter that no token is for is left out before its neighbours are merged", () => {
  const own = tokenizer({ model: { type: "BPE", vocab: { a: 0, b: 1, ab: 2 }, merges: [["a", "b"]] } })
  expect(own.encode("acb").ids).toEqual([2])
})

test("a table of SentencePiece that is none: one sentence", () => {
  for (const precompiled_charsmap of ["", "AAAA", "/////w==", "*"]) {
    expect(() => normalized("Precompiled", "a", { precompiled_charsmap })).toThrow("precompiled_charsmap")
  }
})

test("a table of SentencePiece that makes texts long ends", () => {
  const bytes = new Uint8Array(4 + 1_024 + 100_000).fill(98)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, 1_024, true)
  for (let i = 0; i < 256; i++) view.setUint32(4 + 4 * i, i === 0x61 ? (0x80 << 10) | 0x100 | 0x61 : 0, true)
  let table = ""
  for (const byte of bytes) table += String.fromCharCode(byte)
  expect(() => normalized("Precompiled", "a".repeat(10_000), { precompiled_charsmap: btoa(table) })).toThrow(
    "longer by more than"
  )
})
