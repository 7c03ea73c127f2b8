import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { classificationSplit, fromRows } from "../../../src/data/source.ts"
import { evaluationBatches, lengthBatches } from "../../../src/data/text-batches.ts"
import { words } from "./words.ts"

const source = fromRows(
  Array.from({ length: 200 }, (_, row) => ({
    text: ["x".repeat(row + 1), ...new Array<string>((row * 7) % 13).fill("a")].join(" "),
    label: row % 3 === 0 ? "yes" : "no"
  }))
)
const split = classificationSplit(source, ["no", "yes"])
const collect = (options: { batchSize: number; rows?: number }) =>
  Effect.runPromise(Stream.runCollect(evaluationBatches(split, words, { ...options, maxLength: 32 })))

// 3 · 32 = 96 rows a stretch, so 200 rows are three stretches, the last one incomplete
test.each([[undefined], [1], [95], [96], [97], [500]])("every row of the first %p exactly once", async (rows) => {
  const batches = await collect({ batchSize: 3, ...(rows === undefined ? {} : { rows }) })
  const seen = batches.flatMap((batch) => [...batch.rows])
  expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: Math.min(200, rows ?? 200) }, (_, i) => i))
  for (const batch of batches) {
    const ids = Array.from(batch.rows, (_, i) => batch.inputIds[i * batch.length + 1]! - 3)
    expect(ids).toEqual([...batch.rows])
    expect([...batch.labels]).toEqual(Array.from(batch.rows, (row) => (row % 3 === 0 ? 1 : 0)))
  }
})

test("little is padding: rows of a stretch are sorted by length", async () => {
  const batches = await collect({ batchSize: 8 })
  const padded = batches.reduce((total, batch) => total + batch.size * batch.length, 0)
  const tokens = batches.reduce((total, batch) => total + batch.tokens, 0)
  expect(tokens / padded).toBeGreaterThan(0.9) // in the file's order it is 0.6
})

describe("lengthBatches", () => {
  const lengths = Array.from({ length: 500 }, (_, i) => 1 + ((i * 37) % 61))
  const cut = (size: number, padMultiple: number, maxLength = 61) =>
    lengthBatches(lengths, (length) => length, size, { padMultiple, maxLength })

  test.each([
    [1, 1],
    [7, 1],
    [64, 1],
    [64, 16],
    [1000, 1]
  ])("at most %i rows, lengths in multiples of %i: everything once, in order of length", (size, padMultiple) => {
    const batches = cut(size, padMultiple)
    expect(batches.flat()).toEqual(lengths.toSorted((a, b) => a - b))
    for (const batch of batches) expect(batch.length).toBeLessThanOrEqual(size)
  })

  test("a batch of 256 tokens takes no longer row, a smaller one does", () => {
    const batches = cut(1000, 1)
    for (const [i, batch] of batches.entries()) {
      const shorter = batch.filter((length) => length < batch.at(-1)!)
      expect(shorter.length * (shorter.at(-1) ?? 0)).toBeLessThan(256)
      if (i + 1 < batches.length) expect(batch.length * batch.at(-1)!).toBeGreaterThanOrEqual(256)
    }
  })

  test("where a device pads to multiples, only a longer multiple ends one; the longest allowed is no multiple", () => {
    expect(cut(1000, 16).map((batch) => batch.at(-1)!)).toEqual([16, 32, 48, 61])
    expect(cut(1000, 16, 50).map((batch) => batch.at(-1)!)).toEqual([
      16, 32, 48, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61
    ])
  })
})
