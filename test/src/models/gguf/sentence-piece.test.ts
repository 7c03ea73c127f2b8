import { expect, test } from "bun:test"
import { Tokenizer } from "@huggingface/tokenizers"
import type { Metadata, MetadataValue } from "../../../../src/models/gguf/parse-header.ts"
import { tokenizerOf } from "../../../../src/models/gguf/tokenizer.ts"
import golden from "../../../golden/gguf/sentence-piece.json" with { type: "json" }

type Kind = keyof typeof golden

const metadata = (kind: Kind, changes: Readonly<Record<string, MetadataValue>> = {}): Metadata =>
  new Map<string, MetadataValue>([
    ["general.architecture", "llama"],
    ["tokenizer.ggml.model", "llama"],
    ["tokenizer.ggml.tokens", golden[kind].tokens],
    ["tokenizer.ggml.scores", golden[kind].scores],
    ["tokenizer.ggml.token_type", golden[kind].types],
    ["tokenizer.ggml.unknown_token_id", 0],
    ["tokenizer.ggml.bos_token_id", 1],
    ["tokenizer.ggml.eos_token_id", 2],
    ["tokenizer.ggml.add_space_prefix", kind === "prefix"],
    ...Object.entries(changes)
  ])

const library = (kind: Kind, changes?: Readonly<Record<string, MetadataValue>>) => {
  const { tokenizer, tokenizerConfig, problems } = tokenizerOf(metadata(kind, changes))
  expect(problems).toEqual([])
  return new Tokenizer(tokenizer as object, tokenizerConfig as object)
}

/**
 * Texts with names of tokens in them, where transformers and llama.cpp agree on another rule than SentencePiece: names of control tokens
 * are those tokens, and a space is put before what follows a token.
 */
const added = /<s>|<\|turn\|>/

for (const kind of ["prefix", "plain"] as const) {
  test(`${kind}: ids and texts as SentencePiece's own`, () => {
    const tokenizer = library(kind)
    expect(golden[kind].texts.length).toBe(144)
    for (const { text, ids, decoded } of golden[kind].texts) {
      if (added.test(text)) continue
      expect({ text, ids: tokenizer.encode(text, { add_special_tokens: false }).ids }).toEqual({ text, ids })
      // the library's decoder takes a byte order mark that was made of bytes for its own; it decodes no empty list
      if (ids.length === 0 || text.startsWith("\uFEFF")) continue
      expect(tokenizer.decode(ids, { clean_up_tokenization_spaces: false })).toBe(decoded)
    }
  })
}

test("names of tokens in a text are those tokens, and a text begins anew behind them", () => {
  const { tokens } = golden.prefix
  const pieces = (text: string) =>
    library("prefix", { "tokenizer.ggml.add_bos_token": false })
      .encode(text)
      .ids.map((id) => tokens[id])
  expect(pieces("a<|turn|>b")).toEqual(["▁a", "<|turn|>", "▁b"])
  expect(pieces("a</s>")).toEqual(["▁a", "</s>"])
})

test("BOS stands before a text unless the file says otherwise", () => {
  const [first, ...rest] = library("prefix").encode("a cat").ids
  expect(first).toBe(1)
  expect(library("prefix", { "tokenizer.ggml.add_bos_token": false }).encode("a cat").ids).toEqual(rest)
})

test("rows behind the vocabulary that a file calls unknown are no tokens of a text", () => {
  const { tokens, types, scores } = golden.prefix
  const padded = library("prefix", {
    "tokenizer.ggml.tokens": [...tokens, "[PAD800]"],
    "tokenizer.ggml.token_type": [...types, 2],
    "tokenizer.ggml.scores": [...scores, -10_000]
  })
  expect(padded.encode("a[PAD800]").ids).toEqual(library("prefix").encode("a[PAD800]").ids)
  expect(padded.encode("a<unk>").ids.at(-1)).toBe(0)
})

test("what is not done here is refused", () => {
  const problems = (changes: Readonly<Record<string, MetadataValue>>) =>
    tokenizerOf(metadata("prefix", changes)).problems
  expect(problems({ "tokenizer.ggml.precompiled_charsmap": [1, 2] })[0]).toContain(
    "tokenizer.ggml.precompiled_charsmap is set"
  )
  expect(problems({ "tokenizer.ggml.remove_extra_whitespaces": true })[0]).toContain(
    "use the model's Hugging Face folder"
  )
  expect(problems({ "tokenizer.ggml.remove_extra_whitespaces": false })).toEqual([])
  expect(problems({ "tokenizer.ggml.scores": [] })[0]).toContain(
    "tokenizer.ggml.scores has 0 entries, the vocabulary 800"
  )
  expect(problems({ "tokenizer.ggml.token_type": golden.prefix.types.map(() => 1) })[0]).toContain(
    "0 byte tokens; expected 256"
  )
})
