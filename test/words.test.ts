/**
 * The words that a user reads, as a law: scripts/words.ts lists phrases that the house does not write. words-left.json counts those that
 * remain by room and page; a count may only fall, and then the number falls with it: `bun scripts/words.ts --write`.
 */
import { expect, test } from "bun:test"
import { countsOf, findingsOf, readTexts } from "../scripts/words.ts"
import left from "./words-left.json" with { type: "json" }

const texts = await readTexts()

test("no room and no page has a phrase more than words-left.json counts, and none has fewer", () => {
  const counts = countsOf(findingsOf(texts))
  const differ = [...new Set([...Object.keys(counts), ...Object.keys(left)])].flatMap((room) => {
    const [now, listed] = [counts[room] ?? 0, (left as Record<string, number>)[room] ?? 0]
    if (now > listed) return [`${room}: ${now} of ${listed}; see \`bun scripts/words.ts ${room}\``]
    return now < listed ? [`${room}: ${now} of ${listed}; run \`bun scripts/words.ts --write\``] : []
  })
  expect(differ).toEqual([])
})

test("strings, docstrings and pages are read, each with its place", () => {
  for (const kind of ["string", "docstring", "page"] as const)
    expect([kind, texts.filter((text) => text.kind === kind).length > 50]).toEqual([kind, true])
  const refusal = texts.find(
    ({ file, text }) => file === "scripts/words.ts" && text.startsWith('"there is no X, not an X')
  )
  expect(refusal?.kind).toBe("string")
})

test("a phrase is found across a line and without regard to case; one about docstrings in no string", () => {
  const found = (kind: "docstring" | "string", text: string) =>
    findingsOf([{ kind, file: "src/run/run.ts", line: 7, text }]).map(({ line, phrase }) => [line, phrase])
  expect(found("string", "Trains it. Beside\n it, one\n  GOES\n  on.").map(([line]) => line)).toEqual([9, 7])
  expect(found("docstring", "What a run is")).toEqual([[7, "What a run is"]])
  expect(found("string", "What a run is")).toEqual([])
})
