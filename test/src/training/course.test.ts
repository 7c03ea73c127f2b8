/** Whether a loss has fallen: as a function of the losses alone, over made-up courses of which the answer is known. */
import { describe, expect, test } from "bun:test"
import { gaussian, randomStream } from "../../../src/numbers/index.ts"
import {
  courseOf,
  firstLook,
  LEAST_STEPS,
  lossWarning,
  type StepRecord,
  scoreAdvice
} from "../../../src/training/course.ts"

const named = { rate: "optimizer.learningRate", head: null }
const SEEDS = Array.from({ length: 40 }, (_, seed) => seed)

/** Losses by the step from 0 on, with a noise of their own. */
const losses = (steps: number, level: (step: number) => number, noise = 0, seed = 0): ReadonlyArray<number> => {
  const random = randomStream(seed, "losses")
  const next = () => gaussian(random)
  return Array.from({ length: steps }, (_, i) => level(i) + noise * next())
}

/** Steps of such losses. `moved`: ‖ΔA‖/‖A‖ of each; null: there is no A. */
const steps = (
  values: ReadonlyArray<number>,
  moved: number | null = 0.02,
  learningRate = 1e-3
): ReadonlyArray<StepRecord> =>
  values.map((loss) => ({
    loss,
    learningRate,
    moved: moved ?? undefined
  }))

const said = (taken: ReadonlyArray<StepRecord>, more: Partial<Parameters<typeof lossWarning>[1]> = {}) =>
  lossWarning(taken, { planned: taken.length, ended: true, named, ...more })

const falling = {
  "a straight line": (i: number) => 1 - i / 100,
  "an exponential": (i: number) => Math.exp(-i / 8),
  "one step down and then flat": (i: number) => (i === 0 ? 2.4 : 0.4),
  "below zero": (i: number) => -1 + Math.exp(-i / 8)
}

describe.each(Object.entries(falling))("%s", (_, level) => {
  test.each([10, 11, 30, 90])("over %d steps has fallen, whatever its units", (count) => {
    for (const scale of [1e-6, 1, 1e6]) {
      const values = losses(count, (i) => scale * level(i))
      expect(courseOf(values, 2)!.kind).toBe("fell")
      expect(said(steps(values, 1e-9))).toBeNull()
    }
  })
})

test("whatever only falls has fallen: in steps of any sizes", () => {
  for (const seed of SEEDS) {
    let level = 2
    // a hundredth of its range at least in each; some are a hundred times as large
    const falls = losses(45, () => 0, 1, seed).map((one) => 0.01 + Math.abs(one) ** 3)
    const values = falls.map((fall) => {
      level -= fall
      return level
    })
    for (const count of [10, 20, 45]) {
      expect(courseOf(values.slice(0, count), 2)!.kind).toBe("fell")
      expect(said(steps(values.slice(0, count)))).toBeNull()
    }
  }
})

test("a fall of less than a thousandth is none, however surely it is seen", () => {
  expect(
    courseOf(
      losses(30, (i) => 1 - 1e-6 * i),
      2
    )!.kind
  ).toBe("flat")
  expect(
    courseOf(
      losses(30, (i) => 1 - 1e-4 * i),
      2
    )!.kind
  ).toBe("fell")
})

test("a constant is flat and warned of, where the adapter moves too, after a third of the steps", () => {
  for (const value of [0, 0.69, -1, 1e-30, 1e30]) {
    expect(
      courseOf(
        losses(30, () => value),
        2
      )!.kind
    ).toBe("flat")
    expect(said(steps(losses(30, () => value)))).toMatchObject({ about: "loss", step: 10 })
  }
})

describe("noise around one level", () => {
  const flat = SEEDS.map((seed) => losses(60, () => 0.7, 0.05, seed))

  test("looks as if it had fallen in few of 40 runs, and never as if it had risen", () => {
    const kinds = flat.map((values) => courseOf(values, 2)!.kind)
    expect(kinds.filter((kind) => kind === "rose")).toEqual([])
    // one in 40 is expected; the noise itself is measured, so a few more
    expect(kinds.filter((kind) => kind === "fell").length).toBeLessThanOrEqual(4)
  })

  test("that is large looks as if it had fallen or risen in as few of 200 runs as the words over the code say", () => {
    const ofRows = (seed: number) => {
      const random = randomStream(seed, "rows")
      const row = () => Math.exp(0.9 * gaussian(random))
      return Array.from({ length: 30 }, () => row() + row() + row() + row())
    }
    const runs = Array.from({ length: 200 }, (_, seed) => seed)
    const share = (kind: string, of: (seed: number) => ReadonlyArray<number>) =>
      runs.filter((seed) => courseOf(of(seed), 2)!.kind === kind).length / runs.length
    const normal = (seed: number) => losses(30, () => 1, 0.3, seed)
    // of 200 runs, shares of 3 and of 5 % have standard errors of 1.2 and 1.5 points
    expect(share("rose", normal)).toBeLessThan(0.06)
    expect(share("fell", normal)).toBeLessThan(0.09)
    expect(share("rose", ofRows)).toBeLessThan(0.095)
  })

  test("is no warning after a third where the adapter moves: a plateau may be left", () => {
    const left = SEEDS.map((seed) => losses(90, (i) => (i < 35 ? 0.7 : 0.7 - 0.01 * (i - 35)), 0.04, seed))
    expect(left.flatMap((values) => said(steps(values)) ?? [])).toEqual([])
    expect(left.flatMap((values) => said(steps(values, null)) ?? [])).toEqual([])
  })

  test("is one where it does not, and says by how much the rate is too small", () => {
    const warnings = flat.map((values) => said(steps(values, 1e-8, 1e-9), { ended: false }))
    expect(warnings.filter((warning) => warning === null).length).toBeLessThanOrEqual(4)
    const warning = warnings.find((one) => one !== null)!
    expect(warning.step).toBe(20)
    // 20 steps of 1e-8 of A's size: a million times more is a fifth of it
    expect(warning.advice).toContain("1,000,000 times larger (1e-3 instead of 1e-9)")
  })

  test("is waited for while the rate still warms up", () => {
    const warming = steps(losses(60, () => 0.7)).map((step, i) => ({
      ...step,
      learningRate: 1e-4 * i,
      moved: undefined
    }))
    expect(said(warming, { ended: false })).toBeNull()
    expect(said(warming)).toMatchObject({ step: 60 })
  })

  test("at the end is a warning, unless the run began with something learned", () => {
    const found = flat.map((values) => said(steps(values)))
    // at one standard error, one in six is let go
    expect(found.filter((warning) => warning !== null).length).toBeGreaterThan(26)
    expect(flat.flatMap((values) => said(steps(values), { fresh: false }) ?? [])).toEqual([])
  })
})

describe("a loss that rises", () => {
  test("to another level, with more noise there, points to a rate too large and by how much", () => {
    for (const [level, factor] of [
      [1.3, 3],
      [5, 10],
      [500, 100]
    ] as const) {
      const found = SEEDS.map((seed) =>
        losses(30, (i) => (i === 0 ? 1 : level), 0, seed).map((loss, i) => loss * (1 + 0.05 * Math.sin(7 * i + seed)))
      ).map((values) => said(steps(values), { ended: false }))
      for (const warning of found) {
        expect(warning).toMatchObject({ step: 10 })
        expect(warning!.advice).toContain(`optimizer.learningRate ${factor} times smaller`)
      }
    }
  })

  test("and comes back to where it was, as MobileNetV2's under LoRA-Pro at 1e-3", () => {
    // examples/fashion, 30 steps: the first ten
    const seen = [2.41, 2.25, 4.19, 2.34, 2.4, 2.36, 2.32, 2.32, 2.3, 2.37]
    const warning = said(steps(seen), { planned: 30, ended: false })!
    expect(warning.says).toBe(
      "after 10 of 30 steps the training loss has not fallen below its start by more than its noise: it is 2.330 over the last 3, compared with 2.410 at the start, ± 0.144, and was 2.977 around step 4"
    )
    expect(warning.advice).toContain("optimizer.learningRate 3 times smaller (3e-4 instead of 1e-3)")
  })

  test("after it had fallen points to the order of the rows first", () => {
    const values = losses(40, (i) => (i < 20 ? 1 - 0.04 * i : 3), 0.01)
    expect(said(steps(values))!.advice).toStartWith("it fell first, so also check the order of the rows")
  })

  test("is said of a run that began with something learned as well", () => {
    const values = losses(30, (i) => (i === 0 ? 0.2 : 3), 0.01)
    expect(said(steps(values), { fresh: false })).toMatchObject({ about: "loss" })
  })
})

describe("what cannot be told is not", () => {
  test("with few steps, or before a third of them", () => {
    expect(
      courseOf(
        losses(LEAST_STEPS - 1, () => 1),
        2
      )
    ).toBeNull()
    expect(said(steps(losses(LEAST_STEPS - 1, () => 1)))).toBeNull()
    // a third of 27 is 9
    expect(said(steps(losses(27, () => 1)), { ended: false })).toBeNull()
    expect(said(steps(losses(9, () => 1)), { planned: 90, ended: false })).toBeNull()
    expect([1, 29, 30, 31].map(firstLook)).toEqual([1, 10, 10, 11])
  })

  test("losses that are no numbers are left out", () => {
    const values: Array<number | null> = [...losses(30, (i) => Math.exp(-i / 8))]
    const whole = courseOf(values, 2)!
    for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY, null]) {
      const course = courseOf([...values.slice(0, 12), wrong, ...values.slice(12)], 2)
      expect(course).toEqual(whole)
    }
    expect(
      courseOf(
        Array.from({ length: 30 }, () => Number.NaN),
        2
      )
    ).toBeNull()
  })

  test("rows of before without health or rate", () => {
    const bare = losses(30, () => 1).map((loss) => ({ loss }) as StepRecord)
    expect(said(bare)!.advice).toContain("try optimizer.learningRate 3 times larger, then 3 times smaller")
  })
})

test("the course is the same in other units", () => {
  for (const seed of SEEDS) {
    const values = losses(45, (i) => 2 - 0.01 * seed * i, 0.3, seed)
    const [own, scaled] = [values, values.map((loss) => 1024 * loss)].map((each) => courseOf(each, 2)!)
    const scales = { start: 1024, last: 1024, error: 1024, peak: 1024, jump: 1024 }
    const expected = Object.entries(own!).map(([key, value]) =>
      key in scales && typeof value === "number" ? [key, 1024 * value] : [key, value]
    )
    expect(scaled!).toEqual(Object.fromEntries(expected))
  }
})

test("it depends on the steps alone: decided on the way or afterwards, it is the same warning", () => {
  for (const seed of SEEDS) {
    const taken = steps(
      losses(60, () => 1, 0.1, seed),
      seed % 2 === 0 ? 1e-9 : 0.1
    )
    const early = said(taken.slice(0, 20), { planned: 60, ended: false })
    expect(said(taken.slice(0, 40), { planned: 60, ended: false })).toEqual(early)
    if (early !== null) expect(said(taken)).toEqual(early)
  }
})

describe("advice for a score that is no good", () => {
  const fell = steps(losses(30, (i) => Math.exp(-i / 8)))

  test("by what the training loss did", () => {
    expect(scoreAdvice(fell, 3, named)).toContain("the model has memorised the training rows")
    expect(scoreAdvice(fell, 0.5, named)).toContain(
      "train for more steps, or try optimizer.learningRate 3 times larger (3e-3 instead"
    )
    // as MobileNetV2 under LoRA-Pro at 1e-3 over 64 steps: from a head that knows nothing to one that answers the same always
    const thrown = steps(
      losses(64, (i) => (i < 13 ? 2.47 : 2.32), 0.03),
      0.05
    )
    expect(scoreAdvice(thrown, 2.31, named)).toContain(
      "although the adapter changed a lot: try optimizer.learningRate 3 times smaller"
    )
    expect(scoreAdvice(fell.slice(0, 5), 1, named)).toStartWith("5 steps are too few to tell: train longer")
    // too few steps for a course, but the loss says enough: 8 steps at a rate of 1 ended at 49.9
    expect(scoreAdvice(fell.slice(0, 5), 49.9, named)).toMatch(
      /^the loss rose from 1\.\d+ at the first step to 49\.900 on these rows, so the learning rate is too high: try optimizer\.learningRate 100 times smaller/
    )
    expect(scoreAdvice(fell.slice(0, 5), 2, named)).toContain("too few to tell")
    const flat = steps(losses(30, () => 1))
    expect(scoreAdvice(flat, 1, named)).toContain("the adapter changed, but the loss did not")
    expect(scoreAdvice(flat, 1, { ...named, head: "model.head" })).toContain("if it is new, train it with model.head")
  })
})
