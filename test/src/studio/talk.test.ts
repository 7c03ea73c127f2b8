/** Texts of two sides next to each other: the words that only one has are marked. */
import { expect, test } from "bun:test"
import { differences } from "../../../src/studio/page/views/try/talk.ts"

/** Own pieces in brackets. */
const marked = (text: string, other: string) =>
  differences(text, other)
    .map(({ text, isOwn }) => (isOwn ? `[${text}]` : text))
    .join("")

test("words that the other text lacks are marked, those of a longest common subsequence are not", () => {
  expect(marked("the sky is blue today", "the sky is very blue")).toBe("the sky is blue [today]")
  expect(marked("the sky is very blue", "the sky is blue today")).toBe("the sky is [very ]blue")
  expect(marked("a b c d", "b d a")).toBe("[a ]b [c ]d")
  expect(marked("same text", "same text")).toBe("same text")
  expect(marked("all other", "nothing shared")).toBe("[all other]")
  expect(marked("", "x")).toBe("")
  expect(marked("x", "")).toBe("[x]")
})

test("pieces are the text, whatever its spaces; long texts are left unmarked", () => {
  for (const text of ["  two  spaces\n\nand lines ", "tab\tand end", ""]) {
    expect(
      differences(text, "and two")
        .map((piece) => piece.text)
        .join("")
    ).toBe(text)
  }
  const long = "word ".repeat(1_001)
  expect(differences(long, "other")).toEqual([{ text: long, isOwn: false }])
})
