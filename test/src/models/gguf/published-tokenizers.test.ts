/**
 * Vocabularies in files of llama.cpp's own converter, against the tokenizer.json that transformers makes of the same SentencePiece models:
 * Mistral's and Phi-3's with a space before every text, Phi-3's special tokens taking the white space behind them, Gemma's with runs of
 * line ends, spaces and tabs that users defined.
 */
import { expect, test } from "bun:test"
import { join } from "node:path"
import { Tokenizer } from "@huggingface/tokenizers"
import * as Effect from "effect/Effect"
import { causalTokenizer } from "../../../../src/models/causal/causal-tokenizer.ts"
import { ggufSource } from "../../../../src/models/gguf/gguf-source.ts"
import golden from "../../../golden/gguf/published-tokenizers.json" with { type: "json" }
import { goldens, run } from "../golden.ts"

const sourceOf = (model: string) => run(ggufSource(join(goldens, "gguf", `${model}-converted.gguf`)))

const opened = async (model: string) => {
  const { tokenizer, tokenizerConfig } = await sourceOf(model)
  return new Tokenizer(tokenizer as object, tokenizerConfig as object)
}

interface Bpe {
  readonly model: {
    readonly vocab: Readonly<Record<string, number>>
    readonly merges: ReadonlyArray<readonly [string, string]>
  }
}

for (const model of ["mistral", "phi3", "gemma3"] as const) {
  test(`${model}: every text has the ids of the published form`, async () => {
    const tokenizer = await opened(model)
    expect(golden.texts.length).toBe(500)
    const different = golden.texts.flatMap((text, i) => {
      const { ids } = tokenizer.encode(text, { add_special_tokens: false })
      return Bun.deepEquals(ids, golden.ids[model][i]) ? [] : [{ text, ids, expected: golden.ids[model][i] }]
    })
    expect(different).toEqual([])
  })

  // the Rust library reads no tokenizer.json with another merge; a merged model's folder holds this one
  test(`${model}: merges are of tokens and to tokens`, async () => {
    const { vocab, merges } = ((await sourceOf(model)).tokenizer as Bpe).model
    expect(merges.length).toBeGreaterThan(400)
    expect(merges.filter(([a, b]) => ![a, b, a + b].every((token) => Object.hasOwn(vocab, token)))).toEqual([])
  })

  test(`${model}: texts begin with BOS`, async () => {
    const { bosId, encode, vocabularySize } = await run(
      Effect.flatMap(
        Effect.promise(() => sourceOf(model)),
        causalTokenizer
      )
    )
    const { tokens } = (await opened(model)).encode("a")
    expect(tokens[0]).toBe(model === "gemma3" ? "<bos>" : "<s>")
    expect(encode(tokens[0]!)).toEqual([bosId!])
    expect(vocabularySize).toBeGreaterThanOrEqual(800)
  })
}

test("the texts hold what the models differ in", () => {
  const [mistral, phi3, gemma3] = [golden.ids.mistral, golden.ids.phi3, golden.ids.gemma3]
  const pairs = [
    [mistral, phi3],
    [mistral, gemma3]
  ] as const
  for (const [a, b] of pairs) {
    expect(a.filter((ids, i) => !Bun.deepEquals(ids, b[i])).length).toBeGreaterThan(50)
  }
})
