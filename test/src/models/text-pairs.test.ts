/** Pairs of texts as transformers' fast tokenizers encode and cut them. */
import { expect, test } from "bun:test"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { loadTokenizer } from "../../../src/models/load.ts"
import { goldens, run } from "./golden.ts"

interface Golden {
  readonly name: string
  /** tokenizer.json; absent: examples/models/minilm's */
  readonly tokenizer?: Readonly<Record<string, unknown>>
  readonly encodings: ReadonlyArray<{
    readonly text: string
    readonly pair: string
    readonly maxLength: number
    readonly ids: ReadonlyArray<number>
    readonly typeIds: ReadonlyArray<number>
  }>
}

const minilm = join(import.meta.dir, "../../../examples/models/minilm")
const cases = JSON.parse(readFileSync(join(goldens, "tokenizers/text_pairs.json"), "utf8")) as ReadonlyArray<Golden>

const opened = async (tokenizer: object, options: Parameters<typeof loadTokenizer>[1] = {}) => {
  const folder = mkdtempSync(join(tmpdir(), "text-pairs-"))
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(tokenizer))
  const loaded = await run(loadTokenizer(folder, options))
  rmSync(folder, { recursive: true })
  return loaded
}

test.each(cases.map((golden) => [golden.name, golden] as const))("%s", async (_, { tokenizer, encodings }) => {
  const { encode } = tokenizer === undefined ? await run(loadTokenizer(minilm)) : await opened(tokenizer)
  const found = encodings.map(({ text, pair, maxLength }) => {
    const { ids, typeIds } = encode(text, maxLength, pair)
    return { text, pair, maxLength, ids: [...ids], typeIds: [...typeIds] }
  })
  expect(found).toEqual(encodings.map((one) => ({ ...one, ids: [...one.ids], typeIds: [...one.typeIds] })))
  expect(encodings.filter(({ maxLength, ids }) => ids.length === maxLength).length).toBeGreaterThan(40)
})

test("a tokenizer without a form for pairs, and types that a model does not have, are said", async () => {
  const { tokenizer } = cases.find(({ name }) => name === "bert")!
  const bert = tokenizer as object
  const single = { type: "TemplateProcessing", single: [{ Sequence: { id: "A", type_id: 0 } }], special_tokens: {} }
  const alone = await opened({ ...bert, post_processor: single })
  expect(() => alone.encode("a", 8, "word")).toThrow("has no form for pairs of texts")
  expect(alone.encode("a word", 8).ids).toEqual([4, 5])
  const oneType = await opened(bert, { tokenTypes: 1 })
  expect(() => oneType.encode("a", 8, "word")).toThrow("type 1, which this model does not have")
  expect(oneType.encode("a", 8).typeIds).toEqual([0, 0, 0])
})
