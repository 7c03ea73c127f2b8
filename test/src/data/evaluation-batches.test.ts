import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { classificationSplit, fromRows } from "../../../src/data/source.ts"
import { evaluationBatches } from "../../../src/data/text-batches.ts"
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
