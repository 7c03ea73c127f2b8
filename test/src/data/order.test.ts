import { describe, expect, test } from "bun:test"
import { epochOrder, holdOut } from "../../../src/data/order.ts"
import { randomStream } from "../../../src/numbers/index.ts"

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
    const { trainRows, heldOut } = holdOut(rows, share, 0)
    expect(heldOut.length).toBe(Math.min(rows - 1, Math.max(1, Math.round(rows * share))))
    expect([...trainRows, ...heldOut].sort((a, b) => a - b)).toEqual(range(rows))
    expect([...trainRows]).toEqual([...trainRows].sort((a, b) => a - b))
    expect([...heldOut]).toEqual([...heldOut].sort((a, b) => a - b))
  })

  test("is the same for the same seed and another for another", () => {
    expect(holdOut(100, 0.3, 1)).toEqual(holdOut(100, 0.3, 1))
    expect(holdOut(100, 0.3, 2)).not.toEqual(holdOut(100, 0.3, 1))
  })
})

describe("holdOut of rows with classes", () => {
  const random = randomStream(3, "classes", 0)
  const cases = Array.from({ length: 150 }, (_, i) => {
    const rows = 2 + Math.floor(120 * random())
    const classes = 1 + Math.floor(6 * random())
    // unbalanced: the square puts many rows into the first classes
    const labels = Uint32Array.from({ length: rows }, () => Math.floor(classes * random() ** 2))
    return { rows, labels, share: 0.02 + 0.9 * random(), seed: i }
  })

  test("holds out as many rows as without, each once, and keeps one of every class", () => {
    for (const { rows, labels, share, seed } of cases) {
      const { trainRows, heldOut } = holdOut(rows, share, seed, (row) => labels[row]!)
      expect([...trainRows, ...heldOut].sort((a, b) => a - b)).toEqual(Array.from({ length: rows }, (_, i) => i))
      expect([...heldOut]).toEqual([...heldOut].sort((a, b) => a - b))
      const present = new Set(labels)
      // a class that has one row alone keeps it, unless all are such
      const most = present.size === rows ? rows - 1 : rows - present.size
      expect(heldOut.length).toBe(Math.min(most, holdOut(rows, share, seed).heldOut.length))
      if (present.size < rows) expect(new Set([...trainRows].map((row) => labels[row]!))).toEqual(present)
    }
  })

  test("holds out of each class its share, to one row, where every class has some to give", () => {
    for (const { rows, labels, share, seed } of cases) {
      const counts = new Map([...new Set(labels)].map((own) => [own, labels.filter((label) => label === own).length]))
      const { heldOut } = holdOut(rows, share, seed, (row) => labels[row]!)
      const exact = (count: number) => (heldOut.length * count) / rows
      if ([...counts.values()].some((count) => Math.ceil(exact(count)) >= count)) continue
      for (const [own, count] of counts) {
        const held = heldOut.filter((row) => labels[row] === own).length
        expect([own, Math.abs(held - exact(count)) < 1]).toEqual([own, true])
      }
    }
  })

  test("is what it is without classes where there is one", () => {
    for (const { rows, share, seed } of cases) {
      expect(holdOut(rows, share, seed, () => 7)).toEqual(holdOut(rows, share, seed))
    }
  })

  test("of two rows in three of one class holds out two in three", () => {
    const { heldOut } = holdOut(300, 0.1, 0, (row) => (row % 3 === 0 ? 1 : 0))
    expect(heldOut.filter((row) => row % 3 === 0)).toHaveLength(10)
    expect(heldOut).toHaveLength(30)
  })

  test("of equal remainders the class with more rows gives one more, and of equally many the first", () => {
    const held = (counts: ReadonlyArray<number>, share: number) => {
      const labels = counts.flatMap((count, own) => Array.from({ length: count }, () => own))
      const { heldOut } = holdOut(labels.length, share, 0, (row) => labels[row]!)
      return counts.map((_, own) => heldOut.filter((row) => labels[row] === own).length)
    }
    // 0.5 and 1.5 of four rows in eight: two are held out
    expect(held([2, 6], 0.25)).toEqual([0, 2])
    expect(held([6, 2], 0.25)).toEqual([2, 0])
    // half a row of each: two of the four classes have one
    expect(held([2, 2, 2, 2], 0.25)).toEqual([1, 1, 0, 0])
  })
})
