import { describe, expect, test } from "bun:test"
import { epochOrder, holdOut } from "../../../src/data/order.ts"

const sizes = [0, 1, 2, 3, 7, 64, 1000]
const range = (n: number) => Array.from({ length: n }, (_, i) => i)

describe("epochOrder", () => {
  test.each(sizes)("is a permutation of %i rows", (rows) => {
    expect([...epochOrder(rows, 0, 0)].sort((a, b) => a - b)).toEqual(range(rows))
  })

  test("depends on seed and epoch, and on nothing else", () => {
    const first = epochOrder(50, 4, 2)
    expect(epochOrder(50, 4, 2)).toEqual(first)
    expect(epochOrder(50, 4, 3)).not.toEqual(first)
    expect(epochOrder(50, 5, 2)).not.toEqual(first)
  })

  test("every permutation of four rows is equally likely", () => {
    const counts = new Map<string, number>()
    const epochs = 24_000
    for (let epoch = 0; epoch < epochs; epoch++) {
      const key = epochOrder(4, 1, epoch).join("")
      counts.set(key, (counts.get(key) ?? 0) + 1)
    }
    expect(counts.size).toBe(24)
    const chiSquared = [...counts.values()].reduce((total, count) => total + (count - 1000) ** 2 / 1000, 0)
    expect(chiSquared).toBeLessThan(23 + 5 * Math.sqrt(46)) // 23 degrees of freedom, five standard deviations
  })
})

describe("holdOut", () => {
  test.each([
    [2, 0.01],
    [2, 0.99],
    [10, 0.2],
    [1001, 0.5]
  ])("%i rows, share %d: two disjoint parts in the file's order, neither empty", (rows, share) => {
    const { kept, heldOut } = holdOut(rows, share, 0)
    expect(heldOut.length).toBe(Math.min(rows - 1, Math.max(1, Math.round(rows * share))))
    expect([...kept, ...heldOut].sort((a, b) => a - b)).toEqual(range(rows))
    expect([...kept]).toEqual([...kept].sort((a, b) => a - b))
    expect([...heldOut]).toEqual([...heldOut].sort((a, b) => a - b))
  })

  test("is the same for the same seed and another for another", () => {
    expect(holdOut(100, 0.3, 1)).toEqual(holdOut(100, 0.3, 1))
    expect(holdOut(100, 0.3, 2)).not.toEqual(holdOut(100, 0.3, 1))
  })
})
