/** Pieces of text: whole characters, nothing of a stop string, and together what all tokens say. */
import { describe, expect, test } from "bun:test"
import { stopStrings, textPieces } from "../../../src/generation/writer.ts"
import { randomStream } from "../../../src/numbers/random.ts"
import { bytesTokenizer } from "./writing.ts"

const { encode, decode } = bytesTokenizer
const text = "plain, ünïcode, 漢字, 👩‍👩‍👧 and 😀!"

describe("pieces", () => {
  test("of byte tokens end where a character does", () => {
    const pieces = textPieces(decode, encode("before "))
    const told = encode(text).map(pieces.push)
    expect(told.join("")).toBe(text)
    expect(pieces.end()).toBe("")
    expect(told.filter((piece) => piece !== "")).toEqual([...text])
  })

  test("with a character open at the end: what the tokens say, a sign that something is missing", () => {
    const pieces = textPieces(decode, [])
    const bytes = encode("a😀").slice(0, 3)
    expect(bytes.map(pieces.push)).toEqual(["a", "", ""])
    expect(pieces.end()).toBe("\uFFFD")
    expect(pieces.end()).toBe("")
  })

  test("of bytes that are no UTF-8 come with the next character", () => {
    const pieces = textPieces(decode, [])
    expect([0xff, 0x80, 0x41, 0x42].map(pieces.push)).toEqual(["", "", "\uFFFD\uFFFDA", "B"])
  })

  test("of a decoder that drops the space before a text: the space between prompt and text stays", () => {
    const words = ["▁a", "▁b", "c", "</s>"]
    const spoken = (ids: ReadonlyArray<number>) =>
      ids
        .map((id) => (id === 3 ? "" : words[id]!))
        .join("")
        .replaceAll("▁", " ")
        .replace(/^ /, "")
    const pieces = textPieces(spoken, [0])
    expect([1, 2, 3, 0].map(pieces.push)).toEqual([" b", "c", "", " a"])
    expect([1, 2].map(textPieces(spoken, []).push)).toEqual(["b", "c"])
  })
})

/** What a text becomes when it comes in these pieces. */
const stopped = (pieces: ReadonlyArray<string>, stops: ReadonlyArray<string>) => {
  const own = stopStrings(stops)
  const told: Array<string> = []
  for (const piece of pieces) {
    const { text: certain, stopped: end } = own.push(piece)
    told.push(certain)
    if (end) return { told, whole: told.join(""), stopped: true }
  }
  told.push(own.end())
  return { told, whole: told.join(""), stopped: false }
}

describe("stop strings", () => {
  test("end a text across the borders of pieces, and no part of them comes out", () => {
    expect(stopped(["Hel", "lo\nUs", "er", ": x"], ["\nUser:"])).toEqual({
      told: ["Hel", "lo", "", ""],
      whole: "Hello",
      stopped: true
    })
  })

  test("that begin and do not end are text, with what follows or at the end", () => {
    expect(stopped(["a\nUs", "ing it"], ["\nUser:"]).told).toEqual(["a", "\nUsing it", ""])
    expect(stopped(["a\nUs"], ["\nUser:"]).told).toEqual(["a", "\nUs"])
    expect(stopped(["aaa", "ab"], ["aab"])).toEqual({ told: ["a", "a"], whole: "aa", stopped: true })
  })

  test("of several, the one that comes first", () => {
    expect(stopped(["one. two; three"], ["; ", ". "]).whole).toBe("one")
    expect(stopped(["abc"], ["bc", "abcd"]).whole).toBe("a")
  })

  test("none: everything comes out at once", () => {
    expect(stopped(["a", "b"], []).told).toEqual(["a", "b", ""])
  })

  test("however a text is cut, the same comes out", () => {
    const random = randomStream(5, "cuts")
    const alphabet = "ab"
    for (let i = 0; i < 500; i++) {
      const letters = (most: number) =>
        Array.from({ length: 1 + Math.floor(random() * most) }, () => alphabet[Math.floor(random() * 2)]!)
      const stops = [letters(4).join(""), letters(5).join("")]
      const pieces = letters(20)
      const byLetters = stopped(pieces, stops)
      // the end of the first of the stops to be complete
      const ends = stops
        .map((stop) => pieces.join("").indexOf(stop) + stop.length)
        .filter((_, k) => pieces.join("").includes(stops[k]!))
      const end = Math.min(...ends)
      const expected = Number.isFinite(end)
        ? pieces
            .slice(0, end)
            .join("")
            .slice(
              0,
              Math.min(...stops.map((stop) => pieces.slice(0, end).join("").indexOf(stop)).filter((at) => at >= 0))
            )
        : pieces.join("")
      expect(byLetters.whole).toBe(expected)
      expect(byLetters.stopped).toBe(Number.isFinite(end))
      // what came out before the end is never taken back
      expect(expected.startsWith(byLetters.told.slice(0, -1).join(""))).toBe(true)
    }
  })
})
