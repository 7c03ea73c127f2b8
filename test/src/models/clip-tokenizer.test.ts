/** CLIP's byte-level tokenizer, which lowercases and marks the ends of words, as transformers' CLIPTokenizer does it. */
import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { loadTokenizer } from "../../../src/models/load.ts"
import { goldens, run } from "./golden.ts"

interface Golden {
  readonly vocabulary: number
  readonly pad: number
  readonly texts: ReadonlyArray<{
    readonly text: string
    readonly ids: ReadonlyArray<number>
    readonly cut: Readonly<Record<string, ReadonlyArray<number>>>
  }>
}

const folder = join(goldens, "tokenizers/clip")
const golden: Golden = JSON.parse(readFileSync(join(folder, "goldens.json"), "utf8"))

test("CLIP's ids, whole and cut with the end of the text kept", async () => {
  const tokenizer = await run(loadTokenizer(folder))
  expect([tokenizer.vocabularySize, tokenizer.padId]).toEqual([golden.vocabulary, golden.pad])
  const found = golden.texts.map(({ text, cut }) => ({
    text,
    ids: tokenizer.encode(text, 100_000).ids,
    cut: Object.fromEntries(Object.keys(cut).map((length) => [length, tokenizer.encode(text, Number(length)).ids]))
  }))
  expect(found.length).toBeGreaterThan(20)
  expect(found).toEqual(
    golden.texts.map(({ text, ids, cut }) => ({ text, ids: [...ids], cut: { ...cut } })) as typeof found
  )
})
