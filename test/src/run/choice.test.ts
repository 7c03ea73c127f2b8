/** Which of two states is kept: the chance by hand and by an exact sum, and metrics over drawn rows. How often it is wrong: choice.long.ts. */
import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { randomStream } from "../../../src/numbers/index.ts"
import { chanceOf, LEVEL } from "../../../src/run/choice.ts"
import { combined, macroF1Of, overAll, ratioOf, rowsOf } from "../../../src/training/index.ts"

const higher = { better: "higher", seed: 0, level: LEVEL } as const
const chance = (
  best: ReadonlyArray<number>,
  last: ReadonlyArray<number>,
  options: Partial<Parameters<typeof chanceOf>[2]> = {}
) => Effect.runPromise(chanceOf(ratioOf(best), ratioOf(last), { ...higher, ...options }))

/** The chance itself: of n draws, each better in one of `gains` rows, worse in one of `losses`, that the sum is not above 0. */
const exactly = (n: number, gains: number, losses: number): number => {
  let sums = new Map([[0, 1]])
  for (let i = 0; i < n; i++) {
    const next = new Map<number, number>()
    for (const [sum, p] of sums)
      for (const [step, share] of [
        [1, gains / n],
        [-1, losses / n],
        [0, 1 - (gains + losses) / n]
      ] as const)
        next.set(sum + step, (next.get(sum + step) ?? 0) + p * share)
    sums = next
  }
  return [...sums].reduce((all, [sum, p]) => all + (sum <= 0 ? p : 0), 0)
}

/** Rows that are right, of one of two states: the first `gains` of the best alone, the next `losses` of the last alone. */
const states = (n: number, gains: number, losses: number) => ({
  best: Array.from({ length: n }, (_, i) => (i < gains || i >= gains + losses + n / 8 ? 1 : 0)),
  last: Array.from({ length: n }, (_, i) =>
    i >= gains ? (i < gains + losses || i >= gains + losses + n / 8 ? 1 : 0) : 0
  )
})

describe("the chance of a gain", () => {
  test.each([
    [240, 6, 3],
    [240, 15, 5],
    [240, 12, 0],
    [40, 6, 6],
    [24, 3, 1]
  ])(
    "%d rows, of which %d got better and %d worse: the share of draws is the sum over all draws",
    async (n, gains, losses) => {
      const { best, last } = states(n, gains, losses)
      const expected = exactly(n, gains, losses)
      // 2,000 draws: four standard errors, and one draw that is always counted
      const error = 4 * Math.sqrt((expected * (1 - expected)) / 2000) + 1 / 2000
      expect(Math.abs((await chance(best, last)) - expected)).toBeLessThan(error)
    }
  )

  test("is the same at every call, and another with another seed", async () => {
    const { best, last } = states(60, 9, 4)
    expect(await chance(best, last)).toBe(await chance(best, last))
    expect(await chance(best, last, { seed: 1 })).not.toBe(await chance(best, last))
  })

  test("of few rows that all agree is how often coins do", async () => {
    for (const n of [1, 2, 3, 5, 8]) {
      const [ones, zeros] = [new Array<number>(n).fill(1), new Array<number>(n).fill(0)]
      expect(await chance(ones, zeros)).toBe(2 ** -n)
      expect(await chance(zeros, ones, { better: "lower" })).toBe(2 ** -n)
    }
  })

  test("of what is equal, of what is worse, and of what has no value is 1", async () => {
    const some = states(30, 9, 0)
    expect(await chance(some.best, some.best)).toBe(1)
    expect(await chance(some.last, some.best)).toBe(1)
    expect(await chance([Number.NaN, 1], [0, 0])).toBeGreaterThan(LEVEL)
  })

  test("has draws beyond a level of many evaluations", async () => {
    const { best, last } = states(60, 20, 0)
    expect(await chance(best, last, { level: LEVEL / 50 })).toBeLessThan(LEVEL / 50)
  })
})

describe("a metric over drawn rows", () => {
  const random = randomStream(3, "rows")
  const draw = (n: number) => Array.from({ length: n }, () => Math.floor(random() * n))

  test("is that of the rows written out", () => {
    const [right, given] = [0, 1].map(() => Array.from({ length: 50 }, () => Math.floor(5 * random()) - 1)) as [
      number[],
      number[]
    ]
    const tokens = Array.from({ length: 50 }, () => 1 + Math.floor(9 * random()))
    const score = macroF1Of(right, given, 4)
    for (let trial = 0; trial < 20; trial++) {
      const rows = draw(50)
      const [own, found] = [right, given].map((all) => rows.map((row) => all[row]!)) as [number[], number[]]
      const f1 = [0, 1, 2, 3].map((label) => {
        const count = (both: (i: number) => boolean) => rows.filter((_, i) => both(i)).length
        const all = count((i) => own[i] === label) + count((i) => found[i] === label)
        return all === 0 ? 0 : (2 * count((i) => own[i] === label && found[i] === label)) / all
      })
      expect(score.over(rows)).toBeCloseTo(f1.reduce((a, b) => a + b, 0) / 4, 12)
      const sum = (all: ReadonlyArray<number>) => rows.reduce((total, row) => total + all[row]!, 0)
      expect(ratioOf(given, tokens).over(rows)).toBeCloseTo(sum(given) / sum(tokens), 12)
      expect(combined(Math.exp, ratioOf(given)).over(rows)).toBeCloseTo(Math.exp(sum(given) / 50), 12)
    }
    expect(overAll(ratioOf(given))).toBe(given.reduce((a, b) => a + b, 0) / 50)
    expect([...rowsOf([1, 2, 3, 4, 5, 6], 2, [2, 0, 2])]).toEqual([5, 6, 1, 2, 5, 6])
  })
})
