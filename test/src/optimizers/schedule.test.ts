/** Learning rates by step: the linear schedule's values were written down from its definition, t/w then (n−t+1)/(n−w+1). */
import { describe, expect, test } from "bun:test"
import { constant, cosine, linear, type Schedule } from "../../../src/optimizers/schedule.ts"

const over = (steps: number, schedule: Schedule) => Array.from({ length: steps }, (_, i) => schedule(i + 1))

const close = (found: ReadonlyArray<number>, expected: ReadonlyArray<number>) => {
  expect(found.length).toBe(expected.length)
  found.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i]!, 12)
  })
}

describe("schedules", () => {
  test("linear, 10 steps of which 3 warm up", () => {
    const expected = [1 / 3, 2 / 3, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]
    close(
      over(10, linear({ peak: 2, steps: 10, warmup: 3 })),
      expected.map((x) => 2 * x)
    )
  })

  test("linear over 80 steps with 8 of warm-up: the reference run's values", () => {
    const rates = over(80, linear({ peak: 1, steps: 80, warmup: 8 }))
    const expected = Array.from({ length: 80 }, (_, i) => (i + 1 <= 8 ? (i + 1) / 8 : (80 - i) / 73))
    close(rates, expected)
    expect(Math.max(...rates)).toBe(1)
  })

  test("without warm-up the first step has the peak", () => {
    close(over(4, linear({ peak: 1, steps: 4 })), [1, 0.75, 0.5, 0.25])
    expect(cosine({ peak: 1, steps: 4 })(1)).toBe(1)
    expect(constant({ peak: 1, steps: 4 })(1)).toBe(1)
  })

  test("cosine falls from the peak by half a period that ends one step after the run", () => {
    const quarter = Math.SQRT1_2 / 2
    close(over(5, cosine({ peak: 1, steps: 5, warmup: 2 })), [0.5, 1, 0.5 + quarter, 0.5, 0.5 - quarter].slice(0, 5))
  })

  test("constant with warm-up", () => {
    close(over(5, constant({ peak: 3, steps: 5, warmup: 2 })), [1.5, 3, 3, 3, 3])
  })

  for (const [name, schedule] of Object.entries({ constant, linear, cosine })) {
    test(`${name}: never negative, never above the peak, 0 or more beyond the end`, () => {
      for (const warmup of [0, 1, 5, 19]) {
        const rates = over(30, schedule({ peak: 0.1, steps: 20, warmup }))
        expect(Math.min(...rates)).toBeGreaterThanOrEqual(0)
        expect(Math.max(...rates)).toBeCloseTo(0.1, 12)
        expect(Math.min(...rates.slice(0, 20))).toBeGreaterThan(0)
      }
    })
  }
})
