/** What tokens add to a text, for every kind of decoder, against the texts themselves. */
import { describe, expect, test } from "bun:test"
import { causalTokenizer } from "../../../../src/models/causal/index.ts"
import { run } from "../golden.ts"
import { jsonOf } from "./causal-golden.ts"

const opened = async (name: string) =>
  run(
    causalTokenizer({
      where: name,
      tokenizer: await jsonOf(`tokenizers/${name}/tokenizer.json`),
      tokenizerConfig: await jsonOf(`tokenizers/${name}/tokenizer_config.json`).catch(() => null)
    })
  )

const joined = (all: ReadonlyArray<Uint8Array | null>) =>
  new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(all.flatMap((bytes) => [...bytes!])))

describe("bytes of tokens", () => {
  test("are those of the text: bytes by GPT-2's table", async () => {
    const tokenizer = await opened("smollm2")
    for (const text of ['{"a": "é😀\\n"}\n\n\tx', "日本語 ½ Ⅷ\u0000\u007f\u00ad\u00a0", " two  spaces"]) {
      expect(joined(tokenizer.encode(text).map(tokenizer.bytesOf))).toBe(text)
    }
    const bytes = Array.from({ length: tokenizer.vocabularySize }, (_, id) => tokenizer.bytesOf(id))
    expect(bytes.flatMap((own, id) => (own === null ? [id] : []))).toEqual([...tokenizer.specialIds])
    expect(tokenizer.bytesOf(1_000_000)).toBeNull()
  })
  test("of a decoder that replaces ▁, with bytes that no token has", async () => {
    const vocab = ["<unk>", "<s>", "▁", "a", "▁a", "b", "<0xC3>", "<0xA9>", "<0x0A>", "<tool>"]
    const tokenizer = await run(
      causalTokenizer({
        where: "llama",
        tokenizer: {
          added_tokens: [
            { id: 0, content: "<unk>", special: true },
            { id: 1, content: "<s>", special: true },
            { id: 9, content: "<tool>", special: false }
          ],
          normalizer: { type: "Replace", pattern: { String: " " }, content: "▁" },
          pre_tokenizer: null,
          post_processor: null,
          decoder: {
            type: "Sequence",
            decoders: [
              { type: "Replace", pattern: { String: "▁" }, content: " " },
              { type: "ByteFallback" },
              { type: "Fuse" },
              { type: "Strip", content: " ", start: 1, stop: 0 }
            ]
          },
          model: {
            type: "BPE",
            unk_token: "<unk>",
            fuse_unk: true,
            byte_fallback: true,
            vocab: Object.fromEntries(vocab.map((token, id) => [token, id])),
            merges: [["▁", "a"]]
          }
        },
        tokenizerConfig: {}
      })
    )
    const ids = tokenizer.encode("b aé\na")
    expect(ids).toEqual([5, 4, 6, 7, 8, 3])
    expect(joined(ids.map(tokenizer.bytesOf))).toBe("b aé\na")
    expect([0, 1, 9].map(tokenizer.bytesOf)).toEqual([null, null, new TextEncoder().encode("<tool>")])
  })
  test("of other decoders: what a text becomes longer by", async () => {
    const tokenizer = await opened("minilm")
    const ids = tokenizer.encode("unbelievably good")
    expect(ids.length).toBeGreaterThan(2)
    const [first, ...others] = ids
    expect(tokenizer.decode([first!]) + joined(others.map(tokenizer.bytesOf))).toBe("unbelievably good")
  })
})
