/** Every rule by which a GGUF file says that texts are cut, against the Rust library with the rules of transformers and llama.cpp. */
import { expect, test } from "bun:test"
import { Tokenizer } from "@huggingface/tokenizers"
import { cuttings } from "../../../../src/models/gguf/pre-tokenizers.ts"
import golden from "../../../golden/gguf/pre-tokenizers.json" with { type: "json" }

/** Names with the rule of another. */
const alike: Readonly<Record<string, string>> = {
  olmo: "mpt",
  smollm: "starcoder",
  refact: "starcoder",
  llama3: "llama-bpe",
  "llama-v3": "llama-bpe",
  "smaug-bpe": "llama-bpe",
  "deepseek-r1-qwen": "qwen2"
}

interface Parts {
  readonly normalizer: ((text: string) => string) | null
  readonly pre_tokenizer: (text: string, options: object) => ReadonlyArray<string>
}

/** The library's own parts: what is cut, in the alphabet of bytes. */
const partsOf = (name: string): Parts => {
  const { normalizer, preTokenizer } = cuttings[name]!
  const tokenizer = {
    added_tokens: [],
    normalizer,
    pre_tokenizer: preTokenizer,
    post_processor: null,
    decoder: null,
    model: { type: "BPE", vocab: { a: 0 }, merges: [] }
  }
  return new Tokenizer(tokenizer, {}) as unknown as Parts
}

for (const name of Object.keys(cuttings)) {
  test(`${name}: texts are cut where the published tokenizers cut them`, () => {
    const expected = golden.pieces[(alike[name] ?? name) as keyof typeof golden.pieces]
    const { normalizer, pre_tokenizer: cut } = partsOf(name)
    expect(golden.texts.length).toBe(260)
    const different = golden.texts.flatMap((text, i) => {
      const normal = normalizer === null ? text : normalizer(text)
      const pieces = normal === "" ? "" : cut(normal, {}).join(" ")
      return pieces === expected[i] ? [] : [{ text, pieces, expected: expected[i] }]
    })
    expect(different).toEqual([])
  })
}

test("every rule of the golden is read", () => {
  expect(Object.keys(golden.pieces).filter((name) => !Object.hasOwn(cuttings, name))).toEqual([])
})
