import { expect, test } from "bun:test"
import { hashText, normalizedText, textHashBuilder } from "../../../src/data/row-index.ts"
import { randomStream } from "../../../src/numbers/random.ts"

const hashOf = (text: string): string => {
  const words = new Uint32Array(2)
  hashText(text, words, 0)
  return `${words[0]} ${words[1]}`
}

test("the same for texts that differ in white space and composition only", () => {
  expect(normalizedText("\n a \u00a0\u3000b\t")).toBe("a b")
  expect(hashOf("cafe\u0301  noir ")).toBe(hashOf("caf\u00e9 noir"))
  for (const other of ["Caf\u00e9 noir", "cafe noir", "caf\u00e9noir", ""])
    expect(hashOf(other)).not.toBe(hashOf("café noir"))
})

test("both words are as random as 32 bits should be: collisions of half hashes at the birthday rate, of whole ones none", () => {
  const random = randomStream(0, "texts")
  const count = 100_000
  const hashes = textHashBuilder()
  // like each other, as texts of one kind are: short, few letters, numbered
  for (let i = 0; i < count; i++) hashes.add(`row ${i} ${random() < 0.5 ? "good" : "bad"} film`)
  const { length, words } = hashes.finish()
  expect(length).toBe(count)
  const distinct = (key: (row: number) => unknown) => new Set(Array.from({ length }, (_, row) => key(row))).size
  expect(distinct((row) => `${words[2 * row]} ${words[2 * row + 1]}`)).toBe(count)
  // n²/2³³ ≈ 1.2 pairs expected; 12 has a probability below 1e-8 for a random function
  for (const word of [0, 1]) expect(count - distinct((row) => words[2 * row + word])).toBeLessThan(12)
  // the low bits choose the slot in the table: 2¹⁷ slots, of which a random function leaves a share e^(−n/2¹⁷) empty
  const filled = distinct((row) => words[2 * row + 1]! & 0x1ffff) / 2 ** 17
  expect(Math.abs(filled - (1 - Math.exp(-count / 2 ** 17)))).toBeLessThan(0.01)
})
