/** What a message quotes from outside is short and does nothing to the terminal. */
import { describe, expect, test } from "bun:test"
import { cut, Listing, listed, listedLines, printable, printableLine, quoted } from "../../../src/boundary/index.ts"

describe("listed", () => {
  test("twenty entries are all there, of more the rest is counted", () => {
    const entries = Array.from({ length: 1_025 }, (_, i) => `${i}`)
    expect(listed(entries.slice(0, 20))).toEqual(entries.slice(0, 20))
    expect(listed(entries)).toEqual([...entries.slice(0, 20), "and 1,005 more"])
  })

  test("the last one is shown where it takes the line of the count, which also keeps the count of a list within", () => {
    const entries = Array.from({ length: 22 }, (_, i) => `${i}`)
    expect(listed(entries.slice(0, 21))).toEqual(entries.slice(0, 21))
    expect(listed(entries)).toEqual([...entries.slice(0, 20), "and 2 more"])
    const counted = listed(entries)
    expect(listed(counted)).toEqual(counted)
    expect(listedLines(counted, (entry) => entry)).toBe(counted.join("\n"))
  })

  test("lines are cut, and those that are not shown are never made", () => {
    const made: Array<number> = []
    const text = listedLines(
      Array.from({ length: 500_000 }, (_, i) => i),
      (i) => {
        made.push(i)
        return i === 0 ? `${"x".repeat(3_000)}\nsecond` : `${i}`
      }
    )
    expect(made).toHaveLength(20)
    expect(text.split("\n")[0]).toBe(`${"x".repeat(2_000)}…`)
    expect(text.split("\n")[1]).toBe("second")
    expect(text.endsWith("\nand 499,980 more")).toBe(true)
  })
})

test("a listing is what listed makes of all its entries", () => {
  for (const count of [0, 20, 21, 22, 1_025]) {
    const entries = Array.from({ length: count }, (_, i) => `${i}`)
    const listing = new Listing()
    for (const entry of entries) listing.add(entry)
    expect(listing.entries).toEqual(listed(entries))
    expect(listing.isEmpty).toBe(count === 0)
  }
})

test("values from files are quoted in part", () => {
  expect(quoted("a")).toBe('"a"')
  expect(quoted(undefined)).toBe("undefined")
  expect(quoted(Array.from({ length: 1_000_000 }, () => 1))).toBe(`[${"1,".repeat(29)}1…`)
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
