import { expect, test } from "bun:test"
import { padBatch } from "../../../src/data/text-batches.ts"

const examples = [
  { ids: [1, 5, 2], typeIds: [0, 0, 1], label: 1 },
  { ids: [1, 2], typeIds: [0, 0], label: 0 }
]

test("padBatch: row-major ids, types and mask", () => {
  expect(padBatch(examples, { padId: 9, padMultiple: 1, maxLength: 8 })).toEqual({
    size: 2,
    length: 3,
    inputIds: Int32Array.of(1, 5, 2, 1, 2, 9),
    tokenTypeIds: Int32Array.of(0, 0, 1, 0, 0, 0),
    attentionMask: Float32Array.of(1, 1, 1, 1, 1, 0),
    labels: Int32Array.of(1, 0),
    tokens: 5
  })
})

test.each([
  [1, 8, 3],
  [2, 8, 4],
  [8, 64, 8],
  [8, 6, 6] // a model with six positions has no room for eight
])("padMultiple %i with maxLength %i gives length %i", (padMultiple, maxLength, length) => {
  expect(padBatch(examples, { padId: 0, padMultiple, maxLength }).length).toBe(length)
})
