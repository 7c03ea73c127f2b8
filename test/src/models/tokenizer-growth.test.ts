/** Tokenizers that make much of little: each is refused when it is checked, when it is built, or at the text that it is too much for. */
import { afterEach, describe, expect, test } from "bun:test"
import { Unigram } from "@huggingface/tokenizers"
import { limits, setLimits } from "../../../src/boundary/index.ts"
import { BoundedTokenizer } from "../../../src/models/bounded-tokenizer.ts"
import { checkTokenizerJson } from "../../../src/models/tokenizer-json.ts"

const json = (parts: object = {}) => ({
  added_tokens: [{ id: 2, content: "[X]", special: true }],
  normalizer: null,
  pre_tokenizer: null,
  post_processor: null,
  decoder: null,
  model: { type: "WordPiece", vocab: { a: 0, "[UNK]": 1 }, unk_token: "[UNK]", continuing_subword_prefix: "##" },
  ...parts
})

const problems = (parts: object): ReadonlyArray<string> => {
  const checked = checkTokenizerJson(json(parts))
  return "json" in checked ? [] : checked
}

const piece = { Sequence: { id: "A", type_id: 0 } }
const mark = { SpecialToken: { id: "[X]", type_id: 0 } }
const template = (...single: ReadonlyArray<object>) => ({ type: "TemplateProcessing", single, pair: [] })
const times = <A>(count: number, value: A) => Array.from({ length: count }, () => value)

afterEach(() => setLimits({ "token-tree": limits["token-tree"].default }))

test("added tokens and pieces of too much text in all; what they begin with in common counts once", () => {
  setLimits({ "token-tree": 1_000 })
  const words = (count: number) => Array.from({ length: count }, (_, i) => `<|a very long beginning_${i}|>`)
  const added = (count: number) => ({ added_tokens: words(count).map((content, id) => ({ id, content })) })
  const pieces = (count: number) => ({
    model: { type: "Unigram", unk_id: 0, vocab: words(count).map((word) => [word, -1]) }
  })
  expect([problems(added(200)), problems(pieces(200))]).toEqual([[], []])
  const says = "has more text than 1,000 characters (limit token-tree;"
  expect(problems(added(1_000)).join()).toContain(`added_tokens ${says}`)
  expect(problems(pieces(1_000)).join()).toContain(`model.vocab ${says}`)
})

test("a word of more pieces than a call has arguments", () => {
  const unigram = { type: "Unigram", vocab: [["a", -1]], unk_id: 0 }
  const { model } = new BoundedTokenizer(json({ model: unigram }), {})
  if (!(model instanceof Unigram)) throw new Error("expected a Unigram model")
  model.tokenize = () => times(1_000_000, "a")
  expect(model.encode(["a", "a"]).length).toBe(2_000_000)
})

describe("refused as a file:", () => {
  test.each([
    [
      "5,000 sequences",
      { post_processor: template(...times(5_000, mark)) },
      "has 5,000 parts, more than 64 entries (limit tokenizer-parts;"
    ],
    [
      "post-processors in one another",
      { post_processor: { type: "Sequence", processors: times(40, template(piece, mark)) } },
      "has 120 parts"
    ],
    ["65 normalizers", { normalizer: { type: "Sequence", normalizers: times(65, { type: "NFC" }) } }, "has 65 parts"],
    [
      "a text that is written twice",
      { post_processor: template(piece, piece) },
      "post_processor.single writes the text more than once"
    ],
    [
      "a long added token",
      { added_tokens: [{ id: 0, content: "a".repeat(513) }] },
      "added_tokens.0 has 513 characters, more than 512 characters (limit token-characters;"
    ],
    [
      "a million characters of added tokens",
      { added_tokens: Array.from({ length: 2_000 }, (_, id) => ({ id, content: `${id}`.padEnd(500, "a") })) },
      "added_tokens has tokens of 1,000,000 characters together, more than 524,288 characters (limit added-tokens;"
    ],
    [
      "a long piece",
      { model: { type: "Unigram", vocab: [["a".repeat(513), -1]], unk_id: 0 } },
      "model.vocab.0 has 513 characters, more than 512"
    ],
    [
      "words of any length",
      { model: { ...json().model, max_input_chars_per_word: 1e9 } },
      "model.max_input_chars_per_word is 1000000000; expected an integer of at most 256 characters (limit word-characters;"
    ],
    [
      "words of no length",
      { model: { ...json().model, max_input_chars_per_word: "8" } },
      'model.max_input_chars_per_word is "8"'
    ],
    [
      "a long prefix",
      { model: { ...json().model, continuing_subword_prefix: "#".repeat(65) } },
      "model.continuing_subword_prefix has 65 characters; at most 64"
    ]
  ])("%s", (_, parts, says) => {
    expect(problems(parts).join("\n")).toStartWith(says)
  })

  test("not a usual one", () => {
    expect(problems({ post_processor: template(mark, piece, mark) })).toEqual([])
    expect(problems({ normalizer: { type: "Sequence", normalizers: times(11, { type: "NFC" }) } })).toEqual([])
  })
})

const encode = (parts: object, text: string) => new BoundedTokenizer(json(parts), {}).encode(text).tokens.length

describe("refused at a text:", () => {
  const longer = "the tokenizer's parts make a text longer by more than 20 times (limit tokenizer-growth;"
  const replace = (content: string, pattern: object = { Regex: "." }) => ({ type: "Replace", pattern, content })
  const text = "a".repeat(1_000)

  test.each([
    ["a replacement by thousands", { normalizer: replace("x".repeat(4_000)) }],
    ["five by ten each", { normalizer: { type: "Sequence", normalizers: times(5, replace("x".repeat(10))) } }],
    ["sixty by two each", { normalizer: { type: "Sequence", normalizers: times(60, replace("xx")) } }],
    ["a replacement of nothing", { normalizer: replace("x".repeat(100), { String: "" }) }],
    [
      "ligatures taken apart again and again",
      {
        normalizer: {
          type: "Sequence",
          normalizers: [replace("\uFDFA"), { type: "NFKC" }, replace("\uFDFA"), { type: "NFKC" }]
        }
      }
    ],
    [
      "bytes of bytes",
      {
        pre_tokenizer: {
          type: "Sequence",
          pretokenizers: [replace("\u0100"), ...times(20, { type: "ByteLevel", use_regex: false })]
        }
      }
    ],
    [
      "replacements among pieces",
      {
        pre_tokenizer: {
          type: "Sequence",
          pretokenizers: [{ type: "FixedLength", length: 1 }, replace("x".repeat(100))]
        }
      }
    ]
  ])("%s", (_, parts) => {
    expect(() => encode(parts, text)).toThrow(longer)
  })

  test("a decoder that makes much of little", () => {
    const decoders = times(40, { type: "Replace", pattern: { String: "a" }, content: "aa" })
    const tokenizer = new BoundedTokenizer(json({ decoder: { type: "Sequence", decoders } }), {})
    expect(() => tokenizer.decode([0, 0])).toThrow(longer)
  })

  test("a Unigram vocabulary of a, aa, aaa, …", () => {
    const vocab = Array.from({ length: 512 }, (_, i) => ["a".repeat(i + 1), -1])
    const parts = { model: { type: "Unigram", vocab, unk_id: 0 } }
    expect(() => encode(parts, "a".repeat(20_000))).toThrow(
      "the vocabulary takes more than 8,192 steps (limit lattice-steps;"
    )
    const usual = { model: { type: "Unigram", vocab: vocab.slice(0, 32), unk_id: 0 } }
    expect(encode(usual, "a".repeat(320))).toBe(10)
  })

  test("a hundred thousand special tokens that are none", () => {
    const config = { additional_special_tokens: Array.from({ length: 100_000 }, (_, i) => `<${i}>`) }
    expect(() => new BoundedTokenizer(json(), config)).toThrow(
      "tokenizer_config.json has 100000 special tokens that tokenizer.json does not mark as special"
    )
    expect(new BoundedTokenizer(json(), { additional_special_tokens: ["[X]", "[Y]"] }).encode("a").ids).toEqual([0])
  })
})

describe("changed in nothing else:", () => {
  test("texts of a character that is eighteen", () => {
    expect(encode({ normalizer: { type: "NFKC" } }, "\uFDFA".repeat(100))).toBe(1)
  })

  test("a replacement is taken literally, as in the Rust library", () => {
    const normalizer = { type: "Replace", pattern: { String: "b" }, content: "$&$" }
    expect(new BoundedTokenizer(json({ normalizer }), {}).normalizer?.normalize("abc")).toBe("a$&$c")
  })

  test("a pattern's groups are no pieces of what is between its matches", () => {
    const pre_tokenizer = { type: "Split", pattern: { Regex: "((b)+)" }, behavior: "Removed", invert: false }
    expect(new BoundedTokenizer(json({ pre_tokenizer }), {}).pre_tokenizer?.pre_tokenize("abbcb a")).toEqual([
      "a",
      "c",
      " a"
    ])
  })
})
