/** What a message quotes from outside is short and does nothing to the terminal. */
import { describe, expect, test } from "bun:test"
import { cut, listed, printable, printableLine } from "../../../src/boundary/index.ts"

describe("listed", () => {
  test("twenty entries are all there, of more the rest is counted", () => {
    const entries = Array.from({ length: 1_025 }, (_, i) => `${i}`)
    expect(listed(entries.slice(0, 20))).toEqual(entries.slice(0, 20))
    expect(listed(entries)).toEqual([...entries.slice(0, 20), "and 1,005 more"])
  })
})

describe("cut", () => {
  test("never leaves half of a character", () => {
    expect(cut("abc", 3)).toBe("abc")
    expect(cut("abcd", 3)).toBe("abc…")
    expect(cut("ab😀d", 3)).toBe("ab…")
  })
})

describe("printable", () => {
  test("whatever a terminal would obey is an escape; all other text is as it was", () => {
    expect(printable("\u001b[31mred\u001b]0;title\u0007 \u009b2J \r\b\u007f")).toBe(
      "\\u001b[31mred\\u001b]0;title\\u0007 \\u009b2J \\u000d\\u0008\\u007f"
    )
    expect(printable("a\u202eb\u2066c\u200fd")).toBe("a\\u202eb\\u2066c\\u200fd")
    expect(printable("déjà vu\n\t漢字 😀 👩‍👩‍👧")).toBe("déjà vu\n\t漢字 😀 👩‍👩‍👧")
  })

  test("on one line", () => {
    expect(printableLine("a\nb\tc\u0000")).toBe("a\\nb\\tc\\u0000")
  })
})
