/** SHA-256 as a page computes it, beside node:crypto's. */
import { expect, test } from "bun:test"
import { createHash } from "node:crypto"
import { computedSha256, sha256, wholeSha256 } from "../../../src/files/sha256.ts"

const bytesOf = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 193 + (i >> 8) * 61 + 7) & 255)

test("a page's SHA-256 is node:crypto's, for every length around the ends of blocks", () => {
  for (let length = 0; length < 260; length++) {
    const bytes = bytesOf(length)
    for (const form of ["hex", "base64"] as const) {
      const expected = createHash("sha256").update(bytes).digest(form)
      expect(computedSha256().update(bytes).digest(form)).toBe(expected)
      expect(sha256().update(bytes).digest(form)).toBe(expected)
    }
  }
})

test("pieces come to what the whole comes to", () => {
  const bytes = bytesOf(300_000)
  const expected = createHash("sha256").update(bytes).digest("hex")
  for (const piece of [63, 64, 65, 4_096, 99_991]) {
    const hash = computedSha256()
    for (let at = 0; at < bytes.length; at += piece) hash.update(bytes.subarray(at, at + piece))
    expect(hash.digest("hex")).toBe(expected)
  }
})

test("a whole comes to the same by the engine's own", async () => {
  const bytes = bytesOf(100_001)
  expect(await wholeSha256(bytes)).toBe(createHash("sha256").update(bytes).digest("hex"))
})

test("a text counts as its UTF-8", () => {
  expect(computedSha256().update("größer ✓").digest("hex")).toBe(createHash("sha256").update("größer ✓").digest("hex"))
})
