import { expect, test } from "bun:test"
import { Tokenizer } from "@huggingface/tokenizers"
import { readGgufHeader } from "../../../../src/models/gguf/header.ts"
import { tokenizerOf } from "../../../../src/models/gguf/tokenizer.ts"
import golden from "../../../golden/tokenizers/smollm2/goldens.json" with { type: "json" }
import savedJson from "../../../golden/tokenizers/smollm2/tokenizer.json" with { type: "json" }
import savedConfig from "../../../golden/tokenizers/smollm2/tokenizer_config.json" with { type: "json" }
import { run } from "../golden.ts"
import { ggufBytes, ggufFiles } from "./written-gguf.ts"

const special = new Set(savedJson.added_tokens.map(({ id }) => id))
const tokens = Object.entries(savedJson.model.vocab)
  .sort(([, a], [, b]) => a - b)
  .map(([token]) => token)

/** What the SmolLM2 file's metadata is. */
const metadata = {
  "tokenizer.ggml.model": "gpt2",
  "tokenizer.ggml.pre": "smollm",
  "tokenizer.ggml.add_space_prefix": false,
  "tokenizer.ggml.add_bos_token": false,
  "tokenizer.ggml.tokens": tokens,
  "tokenizer.ggml.token_type": tokens.map((_, id) => (special.has(id) ? 3 : 1)),
  "tokenizer.ggml.merges": savedJson.model.merges.map((pair) => pair.join(" ")),
  "tokenizer.ggml.bos_token_id": 1,
  "tokenizer.ggml.eos_token_id": 2,
  "tokenizer.ggml.unknown_token_id": 0,
  "tokenizer.ggml.padding_token_id": 2,
  "tokenizer.chat_template": savedConfig.chat_template
}

// written and read once; what a test changes, it changes in what was read
const fileOf = ggufFiles()
const stored = (await run(readGgufHeader(fileOf(ggufBytes(metadata))))).metadata

const read = (changes: Readonly<Record<string, string | boolean | ReadonlyArray<string>>> = {}) =>
  tokenizerOf(new Map([...stored, ...Object.entries(changes)]))

interface Saved {
  readonly pre_tokenizer: unknown
  readonly post_processor: unknown
}

test("SmolLM2: the file's vocabulary is the published tokenizer.json", () => {
  const { tokenizer, tokenizerConfig, problems } = read()
  expect(problems).toEqual([])
  const { pre_tokenizer: cut, ...rest } = tokenizer as Saved
  const { pre_tokenizer: savedCut, ...savedRest } = savedJson
  expect(rest as object).toEqual(savedRest)
  // `Digits` is written as what it is in Rust: a split at \p{N}
  expect(JSON.stringify(cut)).toBe(
    JSON.stringify(savedCut).replace(
      '{"type":"Digits","individual_digits":true}',
      '{"type":"Split","pattern":{"Regex":"\\\\p{N}"},"behavior":"Isolated","invert":false}'
    )
  )
  const config = tokenizerConfig as Readonly<Record<string, unknown>>
  for (const key of ["bos_token", "eos_token", "unk_token", "pad_token", "chat_template"] as const) {
    expect(config[key]).toBe(savedConfig[key])
  }
})

test("SmolLM2: ids as the Rust library's, texts and chats", () => {
  const { tokenizer, tokenizerConfig } = read()
  const library = new Tokenizer(tokenizer as object, tokenizerConfig as object)
  expect(golden.texts.length).toBe(64)
  expect(golden.chats.length).toBeGreaterThan(3)
  for (const { text, ids } of golden.texts) expect(library.encode(text).ids).toEqual(ids)
  for (const { text, ids } of golden.chats) expect(library.encode(text).ids).toEqual(ids)
})

test("BOS is put before a text where the file or its kind asks for it", () => {
  const starts = (changes: Readonly<Record<string, string | boolean>>) => {
    const { tokenizer, tokenizerConfig } = read(changes)
    return new Tokenizer(tokenizer as object, tokenizerConfig as object).encode("a cat").ids
  }
  const plain = starts({})
  expect(plain[0]).not.toBe(1)
  expect(starts({ "tokenizer.ggml.add_bos_token": true })).toEqual([1, ...plain])
  expect(starts({ "tokenizer.ggml.add_bos_token": true, "tokenizer.ggml.add_eos_token": true })).toEqual([
    1,
    ...plain,
    2
  ])
})

test("Llama 3 keeps three digits together, Qwen2 none, GPT-2 all", () => {
  // with no merges every byte is a token of its own: what is cut shows in the cut pieces themselves
  const pieces = (pre: string, text: string) => {
    const { tokenizer } = read({ "tokenizer.ggml.pre": pre, "tokenizer.ggml.add_bos_token": false })
    const library = new Tokenizer(tokenizer as object, {}) as unknown as {
      readonly pre_tokenizer: { readonly pre_tokenize_text: (text: string) => ReadonlyArray<string> }
    }
    return library.pre_tokenizer.pre_tokenize_text(text)
  }
  expect(pieces("llama-bpe", "12345 it'S")).toEqual(["123", "45", "Ġit", "'S"])
  expect(pieces("qwen2", "12345 it'S")).toEqual(["1", "2", "3", "4", "5", "Ġit", "'S"])
  expect(pieces("gpt-2", "12345 it's")).toEqual(["12345", "Ġit", "'s"])
  expect(pieces("smollm", "12345 it's")).toEqual(["1", "2", "3", "4", "5", "Ġit", "'s"])
})

test("what is not known is refused in a sentence", () => {
  expect(read({ "tokenizer.ggml.model": "rwkv" }).problems).toEqual([
    'tokenizer.ggml.model is "rwkv"; supported are "gpt2" (byte-level BPE) and "llama"'
  ])
  expect(read({ "tokenizer.ggml.pre": "viking" }).problems[0]).toMatch(
    /^tokenizer.ggml.pre is "viking"; read are default, gpt-2, .*falcon; use the model's Hugging Face folder$/
  )
})

test("a token called __proto__ is a token", () => {
  const changed = tokens.map((token, id) => (id === 300 ? "__proto__" : token))
  const { tokenizer } = read({ "tokenizer.ggml.tokens": changed })
  const { vocab } = (tokenizer as { readonly model: { readonly vocab: object } }).model
  expect(Object.entries(vocab).length).toBe(tokens.length)
  expect(Object.getOwnPropertyDescriptor(vocab, "__proto__")?.value).toBe(300)
})
