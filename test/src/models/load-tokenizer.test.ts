import { expect, test } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers"
import { loadTokenizer } from "../../../src/models/load.ts"
import golden from "../../golden/tokenizers/minilm/goldens.json" with { type: "json" }
import { failure, goldens, run } from "./golden.ts"

const folder = join(goldens, "tokenizers/minilm")
const pad = (ids: ReadonlyArray<number>, value: number) => [
  ...ids,
  ...Array.from({ length: golden.max_length - ids.length }, () => value)
]

test("texts: ids as the Rust library's, whole and cut", async () => {
  const tokenizer = await run(loadTokenizer(folder))
  expect(golden.texts.length).toBe(64)
  expect(golden.texts.filter(({ ids }) => ids.length > golden.max_length).length).toBeGreaterThan(3)
  for (const { text, ids, padded_ids, padded_attention_mask } of golden.texts) {
    const whole = tokenizer.encode(text, 100_000)
    expect(whole.ids).toEqual(ids)
    expect(whole.typeIds).toEqual(ids.map(() => 0))
    const cut = tokenizer.encode(text, golden.max_length)
    expect(pad(cut.ids, tokenizer.padId)).toEqual(padded_ids)
    expect(
      pad(
        cut.ids.map(() => 1),
        0
      )
    ).toEqual(padded_attention_mask)
    expect(cut.typeIds.length).toBe(cut.ids.length)
  }
})

test("pairs: the library's ids and types (nothing here uses pairs yet)", async () => {
  const [json, config] = await Promise.all(
    ["tokenizer.json", "tokenizer_config.json"].map((name) => Bun.file(join(folder, name)).json())
  )
  const library = new HuggingFaceTokenizer({ ...json, truncation: null, padding: null }, config)
  expect(golden.pairs.length).toBe(8)
  for (const { text, pair, ids, token_type_ids } of golden.pairs) {
    // like transformers, the library takes an empty second text for none; the golden is the Rust library's, which does not
    if (pair === "") continue
    const encoded = library.encode(text, { text_pair: pair, return_token_type_ids: true })
    expect(encoded.ids).toEqual(ids)
    expect(encoded.token_type_ids).toEqual(token_type_ids)
  }
})

test("special tokens survive any cut", async () => {
  const tokenizer = await run(loadTokenizer(folder))
  const text = "one two three four five six seven"
  expect(tokenizer.encode(text, 4).ids).toEqual([101, 2028, 2048, 102])
  expect(tokenizer.encode(text, 9).ids.length).toBe(9)
  expect(tokenizer.encode("", 4).ids).toEqual([101, 102])
})

test("knows its size and its padding", async () => {
  const { padId, vocabularySize } = await run(loadTokenizer(folder, { vocabularySize: 30_522 }))
  expect({ padId, vocabularySize }).toEqual({ padId: 0, vocabularySize: 30_522 })
})

test("refuses a model with fewer rows than it has ids", async () => {
  const error = await failure(loadTokenizer(folder, { vocabularySize: 30_000 }))
  expect(error.problems).toEqual([
    "tokenizer.json: has ids up to 30521, but the model's embedding has only 30000 rows; it belongs to another model"
  ])
})

test("refuses a model with fewer types than its post-processor gives", async () => {
  const other = mkdtempSync(join(tmpdir(), "tokenizer-"))
  const json = await Bun.file(join(folder, "tokenizer.json")).json()
  const typed = (type_id: unknown) => {
    const single = [{ SpecialToken: { id: "[CLS]", type_id: 0 } }, { Sequence: { id: "A", type_id } }]
    writeFileSync(
      join(other, "tokenizer.json"),
      JSON.stringify({ ...json, post_processor: { ...json.post_processor, single } })
    )
  }
  typed(1)
  const { encode } = await run(loadTokenizer(other, { tokenTypes: 2 }))
  expect(encode("one", 9).typeIds).toEqual([0, 1])
  // as in DistilBERT, which has no table of types
  await run(loadTokenizer(other, { tokenTypes: 0 }))
  expect((await failure(loadTokenizer(other, { tokenTypes: 1 }))).problems).toEqual([
    "tokenizer.json: post_processor gives tokens the type 1, the model has only type 0 (type_vocab_size in config.json); it belongs to another model"
  ])
  for (const type of [7, -1, 0.5, "1", null]) {
    typed(type)
    expect((await failure(loadTokenizer(other, { tokenTypes: 2 }))).message).toContain(
      `gives tokens the type ${JSON.stringify(type)}, the model has types 0 to 1`
    )
  }
  rmSync(other, { recursive: true })
})

test("a folder without tokenizer, or with a broken one, is one sentence", async () => {
  const empty = mkdtempSync(join(tmpdir(), "tokenizer-"))
  expect((await failure(loadTokenizer(empty))).message).toContain("tokenizer.json: no such file")
  writeFileSync(join(empty, "tokenizer.json"), '{ "model": { "type": "Nonsense" } }')
  expect((await failure(loadTokenizer(empty))).message).toContain("tokenizer.json: cannot be used")
  rmSync(empty, { recursive: true })
})
