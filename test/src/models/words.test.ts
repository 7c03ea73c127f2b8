/** Words as tokens in windows, as transformers' fast tokenizers encode them. */
import { expect, test } from "bun:test"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { loadTokenizer } from "../../../src/models/load.ts"
import golden from "../../golden/tokenizers/words.json" with { type: "json" }
import { goldens, run } from "./golden.ts"

const opened = async (base: string, change: object) => {
  const file = base.startsWith("unicode/") ? `${base}.json` : `${base}/tokenizer.json`
  const own = JSON.parse(readFileSync(join(goldens, "tokenizers", file), "utf8"))
  const folder = mkdtempSync(join(tmpdir(), "words-"))
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify({ ...own, ...change }))
  const loaded = await run(loadTokenizer(folder))
  rmSync(folder, { recursive: true })
  return loaded
}

test.each(golden.cases.map((one) => [one.name, one] as const))("%s", async (_, { base, change, encodings }) => {
  const { encodeWords } = await opened(base, change)
  const found = encodings.map(([row, length, stride]) => {
    const windows = encodeWords!(golden.rows[row as number]!, length as number, stride as number)
    return [row, length, stride, windows.map(({ ids, typeIds, words }) => [ids, typeIds, words])]
  })
  expect(found as unknown).toEqual(encodings)
  expect(encodings.filter(([, , , windows]) => (windows as ReadonlyArray<unknown>).length > 1).length).toBeGreaterThan(
    15
  )
})

test("a window without room is an error", async () => {
  const { encodeWords } = await opened("minilm", {})
  expect(() => encodeWords!(["a"], 6, 4)).toThrow("windows of 6 tokens, of which 2 are special and 4 shared")
  expect(encodeWords!(["a", "b"], 7, 4).length).toBe(1)
})
