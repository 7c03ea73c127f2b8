/** Tokenizers of causal models: SmolLM2's against the Python library, and what other files may say. */
import { describe, expect, test } from "bun:test"
import { causalTokenizer } from "../../../../src/models/causal/index.ts"
import { failure, run } from "../golden.ts"
import { jsonOf } from "./causal-golden.ts"

type Json = Record<string, unknown>
const smollm2 = "tokenizers/smollm2"
const json = (await jsonOf(`${smollm2}/tokenizer.json`)) as Json & { added_tokens: Array<Json>; model: { vocab: Json } }
const config = (await jsonOf(`${smollm2}/tokenizer_config.json`)) as Json
const golden = await jsonOf(`${smollm2}/goldens.json`)

const made = (changes: { tokenizer?: unknown; tokenizerConfig?: unknown } = {}, rows?: number) =>
  causalTokenizer(
    { where: "smollm2", tokenizer: json, tokenizerConfig: config, ...changes },
    rows === undefined ? {} : { vocabularySize: rows }
  )
const problems = async (...args: Parameters<typeof made>) => (await failure(made(...args))).problems

describe("SmolLM2's tokenizer", () => {
  test("gives the ids of the Python library for every text, and the text back", async () => {
    const tokenizer = await run(made())
    expect(golden.texts.length).toBeGreaterThan(20)
    for (const { text, ids, ids_without_special_tokens: bare, decoded } of golden.texts) {
      expect([text, tokenizer.encode(text, { special: true })]).toEqual([text, ids])
      expect([text, tokenizer.encode(text)]).toEqual([text, bare])
      expect([text, tokenizer.decode(ids, { special: true })]).toEqual([text, decoded])
    }
    expect(golden.chats.length).toBeGreaterThan(2)
    for (const {
      text,
      ids,
      text_with_generation_prompt: asked,
      ids_with_generation_prompt: idsAsked
    } of golden.chats) {
      expect([text, tokenizer.encode(text)]).toEqual([text, ids])
      expect([asked, tokenizer.encode(asked)]).toEqual([asked, idsAsked])
    }
  })

  test("knows its special tokens, and leaves them away unless they are asked for", async () => {
    const tokenizer = await run(made())
    const { bosId, eosId, padId, vocabularySize, specialIds, chatTemplate, specialTokens } = tokenizer
    expect({ bosId, eosId, padId, vocabularySize }).toEqual({ bosId: 1, eosId: 2, padId: 2, vocabularySize: 49_152 })
    expect([...specialIds].sort((a, b) => a - b)).toEqual(Array.from({ length: 17 }, (_, i) => i))
    expect(chatTemplate).toBe(config["chat_template"] as string)
    expect(specialTokens).toEqual({
      bos_token: "<|im_start|>",
      eos_token: "<|im_end|>",
      unk_token: "<|endoftext|>",
      pad_token: "<|im_end|>"
    })
    const ids = tokenizer.encode("<|im_start|>user\nhi there , you<|im_end|>")
    expect([ids[0], ids.at(-1)]).toEqual([1, 2])
    // spaces before punctuation stay, which some decoders tidy away
    expect(tokenizer.decode(ids)).toBe("user\nhi there , you")
    expect(tokenizer.decode(ids, { special: true })).toBe("<|im_start|>user\nhi there , you<|im_end|>")
    expect(tokenizer.decode([])).toBe("")
  })

  test("writes nothing for an id that no token has: embeddings may have more rows than there are tokens", async () => {
    const tokenizer = await run(made({}, 50_000))
    const ids = tokenizer.encode("hello")
    expect(tokenizer.decode([...ids, 49_999])).toBe("hello")
  })
})

describe("what a file may say", () => {
  test("special tokens as objects, several templates, none, no config at all", async () => {
    const templates = [
      { name: "tool_use", template: "tools" },
      { name: "default", template: "plain" }
    ]
    const bos_token = { content: "<|im_start|>", lstrip: false }
    const several = await run(made({ tokenizerConfig: { bos_token, chat_template: templates } }))
    const { bosId, eosId, padId, chatTemplate } = several
    expect({ bosId, eosId, padId, chatTemplate }).toEqual({ bosId: 1, eosId: null, padId: 0, chatTemplate: "plain" })
    const only = [{ name: "tool_use", template: "tools" }]
    expect((await run(made({ tokenizerConfig: { chat_template: only } }))).chatTemplate).toBeNull()
    expect((await run(made({ tokenizerConfig: null }))).chatTemplate).toBeNull()
  })

  test("a token that is named and is none has no id", async () => {
    const { bosId, eosId } = await run(made({ tokenizerConfig: { bos_token: "<s>", eos_token: "<|im_end|>" } }))
    expect({ bosId, eosId }).toEqual({ bosId: null, eosId: 2 })
  })

  test("an added token beyond the embedding is text like any other; a vocabulary beyond it belongs to another model", async () => {
    const image = { ...json.added_tokens[0], id: 49_152, content: "<image>" }
    const tokenizer = { ...json, added_tokens: [...json.added_tokens, image] }
    const within = await run(made({ tokenizer }, 49_153))
    expect(within.encode("<image>")).toEqual([49_152])
    const beyond = await run(made({ tokenizer }, 49_152))
    expect(beyond.encode("<image>").length).toBeGreaterThan(1)
    expect(beyond.decode(beyond.encode("<image>"))).toBe("<image>")
    expect(await problems({}, 49_000)).toEqual([
      "tokenizer.json: has ids up to 49151, but the model's embedding has only 49000 rows; it belongs to another model"
    ])
  })

  test("a config that names a million characters of special tokens is refused", async () => {
    const tokens = Array.from({ length: 1_000 }, (_, i) => [`n${i}_token`, `${i}`.padEnd(1_000, "a")])
    expect(await problems({ tokenizerConfig: Object.fromEntries(tokens) })).toEqual([
      "tokenizer.json: cannot be used: tokenizer_config.json names tokens of 1,000,000 characters together, more than 524,288 characters (limit added-tokens; TFJS_LORA_PRO_LIMITS=added-tokens=N raises it)"
    ])
  })

  test("what is no tokenizer is a sentence", async () => {
    expect(await problems({ tokenizer: null })).toEqual([
      "tokenizer.json: no such file; a model needs its tokenizer to read text"
    ])
    expect(await problems({ tokenizer: [] })).toEqual(["tokenizer.json: is not a JSON object"])
    const unmerged = await problems({ tokenizer: { ...json, model: { type: "BPE", vocab: json.model.vocab } } })
    expect(unmerged.length).toBe(1)
    expect(unmerged[0]).toStartWith("tokenizer.json: cannot be used: ")
  })
})
