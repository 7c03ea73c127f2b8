/** WordPiece as the Rust library does it: scripts, characters beyond U+FFFF, marks, controls. */
import { expect, test } from "bun:test"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { loadTokenizer } from "../../../src/models/load.ts"
import { goldens, run } from "./golden.ts"

interface Golden {
  readonly texts: ReadonlyArray<string>
  /** ids of each text under a tokenizer.json with some fields of its parts changed */
  readonly cases: ReadonlyArray<{
    readonly change: Readonly<Record<string, object>>
    readonly ids: ReadonlyArray<ReadonlyArray<number>>
  }>
}

const read = (file: string) => JSON.parse(readFileSync(join(goldens, "tokenizers", file), "utf8"))
const { texts, cases } = read("word_piece.json") as Golden
const own = read("minilm/tokenizer.json")

test("the golden has ideographs beyond U+FFFF, and options", () => {
  expect(texts.filter((text) => /[\u{20000}-\u{2FFFF}]/u.test(text)).length).toBeGreaterThan(50)
  expect(cases.length).toBe(6)
})

test.each(cases.map((golden) => [JSON.stringify(golden.change), golden] as const))("%s", async (_, { change, ids }) => {
  const folder = mkdtempSync(join(tmpdir(), "word-piece-"))
  const parts = Object.entries(change).map(([part, fields]) => [part, { ...own[part], ...fields }])
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify({ ...own, ...Object.fromEntries(parts) }))
  const tokenizer = await run(loadTokenizer(folder))
  rmSync(folder, { recursive: true })
  const found = texts.map((text) => ({ text, ids: tokenizer.encode(text, 100_000).ids }))
  expect(found).toEqual(texts.map((text, i) => ({ text, ids: [...ids[i]!] })))
})
