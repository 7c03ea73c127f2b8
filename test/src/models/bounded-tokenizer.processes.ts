/** Patterns of tokenizer.json: those known to be linear as they are, all others in an engine that is. */
import { describe, expect, test } from "bun:test"
import { Tokenizer as Library, type SplitPreTokenizer } from "@huggingface/tokenizers"
import { BoundedTokenizer, linear } from "../../../src/models/bounded-tokenizer.ts"
import { cuttings } from "../../../src/models/gguf/pre-tokenizers.ts"
import { randomStream } from "../../../src/numbers/random.ts"
import { LinearRegExp } from "../../../src/patterns/index.ts"
import golden from "../../golden/gguf/pre-tokenizers.json" with { type: "json" }
import { stepsOf } from "../patterns/steps.ts"

const split = (pattern: string, behavior = "Isolated") => ({
  type: "Split",
  pattern: { Regex: pattern },
  behavior,
  invert: false
})

const json = (parts: object) => ({
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: null,
  post_processor: null,
  decoder: null,
  model: { type: "BPE", vocab: { a: 0, b: 1 }, merges: [] },
  ...parts
})

/** What the library makes of a file's pattern. */
const rewritten = (pattern: string): string => {
  const { pre_tokenizer } = new Library(json({ pre_tokenizer: split(pattern) }), {})
  return (pre_tokenizer as SplitPreTokenizer).pattern!.source
}

describe("an engine that backtracks is linear on", () => {
  const characters = [" ", "\n", "\u3000", "a", "A", "ǅ", "漢", "\u0301", "1", "!", "'", "/", "😀"]
  const texts = characters.flatMap((x) =>
    characters.flatMap((y) => [
      (n: number) => x.repeat(n) + y,
      (n: number) => (x + y).repeat(n),
      (n: number) => x.repeat(n) + y.repeat(n),
      (n: number) => `${x.repeat(n)}${y.repeat(n)}1`
    ])
  )
  const worst = (pattern: string) => {
    const source = rewritten(pattern)
    return Math.max(...texts.map((text) => stepsOf(source, text(40), false) / stepsOf(source, text(20), false)))
  }

  for (const pattern of linear) test(pattern, () => expect(worst(pattern)).toBeLessThan(2.1))

  test("nothing that this test takes for linear wrongly", () => {
    for (const pattern of ["\\s+$", "[^a]*b", "(?=(\\d{3})+(?!\\d))"]) {
      expect(linear.has(pattern)).toBe(false)
      expect(worst(pattern)).toBeGreaterThan(3)
    }
  })
})

describe("the bounded engine cuts the texts of the goldens as the engine does:", () => {
  for (const pattern of linear) {
    test(pattern, () => {
      const source = rewritten(pattern)
      const [own, native] = [new LinearRegExp(source), new RegExp(source, "gu")]
      expect(golden.texts.map((text) => text.match(own))).toEqual(golden.texts.map((text) => text.match(native)))
    })
  }
})

describe("(a+)+$ ends", () => {
  // 2⁶⁰ steps of an engine that backtracks
  const text = `${"a".repeat(60)}b`
  const ids = [...Array.from({ length: 60 }, () => 0), 1]
  const hostile = { Regex: "(a+)+$" }
  const replace = { type: "Replace", pattern: hostile, content: "b" }
  const cases: Readonly<Record<string, object>> = {
    "as a normalizer": { normalizer: replace },
    "in a sequence of normalizers": { normalizer: { type: "Sequence", normalizers: [{ type: "NFC" }, replace] } },
    "as a pre-tokenizer": { pre_tokenizer: split("(a+)+$") },
    "as a pre-tokenizer that removes": { pre_tokenizer: split("(a+)+$", "Removed") },
    "in a sequence of pre-tokenizers": {
      pre_tokenizer: { type: "Sequence", pretokenizers: [{ type: "Split", pattern: hostile, invert: true }, replace] }
    },
    "on an added token, which is normalized when the tokenizer is built": {
      added_tokens: [{ id: 2, content: `${text}b`, normalized: true, special: false }],
      normalizer: replace
    }
  }
  for (const [where, parts] of Object.entries(cases)) {
    test(where, () => {
      expect(new BoundedTokenizer(json(parts), {}).encode(text).ids).toEqual(ids)
    })
  }

  test("in a decoder", () => {
    const vocab = { [text]: 0 }
    for (const decoder of [replace, { type: "Sequence", decoders: [replace, { type: "Fuse" }] }]) {
      const tokenizer = new BoundedTokenizer(json({ decoder, model: { type: "BPE", vocab, merges: [] } }), {})
      expect(tokenizer.decode([0])).toBe(text)
    }
  })
})

test("published patterns run in the engine of the runtime", () => {
  for (const { preTokenizer } of Object.values(cuttings)) {
    const { pre_tokenizer } = new BoundedTokenizer(json({ pre_tokenizer: preTokenizer }), {})
    const parts = "tokenizers" in pre_tokenizer! ? (pre_tokenizer.tokenizers as ReadonlyArray<SplitPreTokenizer>) : []
    const bounded = parts.filter(({ pattern }) => pattern instanceof LinearRegExp)
    expect(bounded.map(({ config }) => config.pattern.Regex)).toEqual(
      JSON.stringify(preTokenizer).includes("\\\\s+$") ? ["\\s+$"] : []
    )
  }
})

test("words are cut as the library cuts them, in a time that grows with their length", () => {
  const tokens = ["[UNK]", "a", "ab", "𠀀", "##a", "##ba", "##b", "##ab", "##𠀀"]
  const model = {
    type: "WordPiece",
    vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    unk_token: "[UNK]",
    continuing_subword_prefix: "##",
    max_input_chars_per_word: 256
  }
  const parts = json({ model, pre_tokenizer: { type: "WhitespaceSplit" } })
  const [library, bounded] = [new Library(parts, {}), new BoundedTokenizer(parts, {})]
  const random = randomStream(15)
  const words = Array.from({ length: 500 }, () =>
    Array.from({ length: 1 + Math.floor(random() * 8) }, () => [..."aaabb𠀀c"][Math.floor(random() * 7)]).join("")
  )
  for (const text of [...words, "a".repeat(256), "a".repeat(257)])
    expect(bounded.encode(text).tokens).toEqual(library.encode(text).tokens)
  const before = performance.now()
  expect(bounded.encode(`${"a".repeat(250)} `.repeat(1_000)).tokens).toHaveLength(250_000)
  // the library takes some 40 s
  expect(performance.now() - before).toBeLessThan(5_000)
})
