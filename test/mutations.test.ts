/** The table of mutations (scripts/mutations.ts) is one of these sources, these tests and this README. */
import { expect, test } from "bun:test"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { asMarkdown, filesWith, mutations } from "../scripts/mutations.ts"

const repository = join(import.meta.dir, "..")
const textOf = (file: string) => readFileSync(join(repository, file), "utf8")

test("every text that is replaced is in its room, once, and the test that catches it is a fast one", () => {
  const stale = mutations.filter(
    (mutation) =>
      filesWith(mutation).length !== 1 ||
      mutation.text === mutation.replacement ||
      !mutation.caughtBy.endsWith(".test.ts") ||
      !existsSync(join(repository, mutation.caughtBy))
  )
  expect(stale.map(({ room, text, caughtBy }) => [room, text, caughtBy])).toEqual([])
  expect(mutations.length).toBeGreaterThanOrEqual(40)
})

test("test/README.md lists them", () => {
  expect(textOf("test/README.md")).toContain(asMarkdown())
})
