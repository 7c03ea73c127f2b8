/** The words that a user reads, as a law: no string, public docstring or page has a phrase that scripts/words.ts lists. */
import { expect, test } from "bun:test"
import { findingsOf, readTexts } from "../scripts/words.ts"

const texts = await readTexts()

test("no string, docstring or page has a phrase to avoid", () => {
  expect(findingsOf(texts)).toEqual([])
})

test("strings, docstrings and pages are read, each with its place", () => {
  for (const kind of ["string", "docstring", "page"] as const)
    expect([kind, texts.filter((text) => text.kind === kind).length > 50]).toEqual([kind, true])
  const kindOf = (file: string, start: string) =>
    texts.find((one) => one.file === file && one.text.startsWith(start))?.kind
  expect(kindOf("scripts/words.ts", '"there is no X, not an X')).toBe("string")
  expect(kindOf("src/optimizers/index.ts", "Optimizers as composable transforms.")).toBe("docstring")
})

test("a phrase is found across a line and without regard to case; one about docstrings in no string", () => {
  const found = (kind: "docstring" | "string", text: string) =>
    findingsOf([{ kind, file: "src/run/run.ts", line: 7, text }]).map(({ line, phrase }) => [line, phrase])
  expect(found("string", "Trains it. Beside\n it, one\n  GOES\n  on.").map(([line]) => line)).toEqual([9, 7])
  expect(found("docstring", "What a run is")).toEqual([[7, "What a run is"]])
  expect(found("string", "What a run is")).toEqual([])
})
