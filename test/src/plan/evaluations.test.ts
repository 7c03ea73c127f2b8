/** Which rows are evaluated, and when, where a plan does not say: the numbers that schemas/training.ts promises. */
import { expect, test } from "bun:test"
import { evaluationsOf } from "../../../src/plan/evaluations.ts"
import type { Splits } from "../../../src/plan/resolved.ts"

const splits = (rows: { readonly validation?: number; readonly test?: number }) =>
  ({
    train: { rows: 5_000 },
    ...Object.fromEntries(Object.entries(rows).map(([split, own]) => [split, { rows: own }]))
  }) as never as Splits
const of = (training: object, rows: Parameters<typeof splits>[0], steps = 100) =>
  evaluationsOf({ training } as never, splits(rows), steps)

test("before training 1,000 rows of the test split, on the way 256 of validation, five times", () => {
  expect(of({}, { validation: 3_000, test: 4_000 })).toEqual({
    judged: "test",
    judgedRows: 1_000,
    watched: "validation",
    watchedRows: 256,
    every: 20
  })
  expect(of({}, { validation: 200, test: 300 })).toMatchObject({ judgedRows: 300, watchedRows: 200 })
  expect(of({}, { validation: 3_000 })).toMatchObject({ judged: "validation", judgedRows: 1_000, watchedRows: 256 })
  expect(of({}, { validation: 10 }, 101)).toMatchObject({ every: 21 })
})

test("a plan's own numbers, or all rows", () => {
  expect(of({ evaluateRows: 7, evaluateEvery: 3 }, { validation: 9, test: 5 })).toMatchObject({
    judgedRows: 5,
    watchedRows: 7,
    every: 3
  })
  expect(of({ evaluateRows: "all" }, { validation: 3_000, test: 4_000 })).toMatchObject({
    judgedRows: 4_000,
    watchedRows: 3_000
  })
})

test("the test split is looked at on the way where it is asked for and there is no other, and nothing where there is none", () => {
  expect(of({}, { test: 50 })).toMatchObject({ judged: "test", watched: undefined, watchedRows: 0, every: Infinity })
  expect(of({ evaluateEvery: 4 }, { test: 50 })).toMatchObject({ watched: "test", watchedRows: 50, every: 4 })
  expect(of({ evaluateEvery: "never" }, { validation: 50 })).toMatchObject({ watched: "validation", every: Infinity })
  expect(of({}, {})).toEqual({ judged: undefined, judgedRows: 0, watched: undefined, watchedRows: 0, every: Infinity })
})
