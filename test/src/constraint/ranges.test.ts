/** Sets of characters and their UTF-8, character by character. */
import { expect, test } from "bun:test"
import { contains, rangesOf, utf8Sequences } from "../../../src/constraint/ranges.ts"

test("a class means what the engine says of every character", () => {
  for (const source of [
    "[a-z]",
    "[\\w.]",
    "\\d",
    "[^a]",
    "[\\d_+-]",
    ".",
    "[é-ü]",
    "\\S",
    "[\\u0000-\\u001f]",
    "[\\]a]",
    "\\p{Lu}",
    "😀"
  ]) {
    const ranges = rangesOf(source)
    const one = new RegExp(`^${source}$`, "u")
    let wrong = 0
    for (let code = 0; code < 0x110000; code += code < 0x3000 ? 1 : 7) {
      if (code >= 0xd800 && code < 0xe000) continue
      if (contains(ranges, code) !== one.test(String.fromCodePoint(code))) wrong++
    }
    expect([source, wrong]).toEqual([source, 0])
  }
}, 20_000)

test("sequences of bytes are the characters of a range and nothing else", () => {
  const borders = [
    0, 0x41, 0x7f, 0x80, 0x7ff, 0x800, 0x1234, 0xfff, 0x1000, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x1f600, 0x10ffff
  ].sort((a, b) => a - b)
  const bytes = (code: number) => [...new TextEncoder().encode(String.fromCodePoint(code))]
  for (const from of borders) {
    for (const to of borders.filter((code) => code >= from && !(from < 0xd800 && code > 0xdfff))) {
      const sequences = utf8Sequences(from, to)
      const reads = (all: ReadonlyArray<number>) =>
        sequences.filter(
          (one) =>
            one.length === 2 * all.length && all.every((byte, i) => byte >= one[2 * i]! && byte <= one[2 * i + 1]!)
        ).length
      const near = borders
        .flatMap((code) => [code - 1, code, code + 1])
        .filter((code) => code >= 0 && code < 0x110000 && !(code >= 0xd800 && code < 0xe000))
      for (const code of near)
        expect([from, to, code, reads(bytes(code))]).toEqual([from, to, code, code >= from && code <= to ? 1 : 0])
      const size = (one: ReadonlyArray<number>) =>
        Array.from({ length: one.length / 2 }, (_, i) => one[2 * i + 1]! - one[2 * i]! + 1).reduce((a, b) => a * b, 1)
      expect(sequences.reduce((sum, one) => sum + size(one), 0)).toBe(to - from + 1)
    }
  }
})
