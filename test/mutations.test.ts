/** The table of mutations (scripts/mutations.ts) is one of these sources, these tests and this README. */
import { expect, test } from "bun:test"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { asMarkdown, mutations } from "../scripts/mutations.ts"

const repository = join(import.meta.dir, "..")
const textOf = (file: string) => readFileSync(join(repository, file), "utf8")

test("every text that is replaced is in its file, once, and the test that catches it is a fast one", () => {
  const stale = mutations.filter(
    ({ file, text, replacement, caughtBy }) =>
      !existsSync(join(repository, file)) ||
      textOf(file).split(text).length !== 2 ||
      text === replacement ||
      !caughtBy.endsWith(".test.ts") ||
      !existsSync(join(repository, caughtBy))
  )
  expect(stale.map(({ file, text }) => `${file}: ${text}`)).toEqual([])
  expect(mutations.length).toBeGreaterThanOrEqual(40)
})

test("test/README.md lists them", () => {
  expect(textOf("test/README.md")).toContain(asMarkdown())
})
