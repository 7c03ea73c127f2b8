/** Summaries over sites: median, and the site that is worst off in the given sense. */
import { expect, test } from "bun:test"
import { summarize } from "../../../src/training/step-report.ts"

test("odd and even counts, both senses of worst", () => {
  expect(summarize([3, 1, 2], ["a", "b", "c"], "smallest")).toEqual({ median: 2, worst: 1, worstSite: "b" })
  expect(summarize([3, 1, 2, 10], ["a", "b", "c", "d"], "largest")).toEqual({ median: 2.5, worst: 10, worstSite: "d" })
  expect(summarize([7], ["a"], "largest")).toEqual({ median: 7, worst: 7, worstSite: "a" })
})

test("no sites, no summary", () => {
  expect(summarize([], [], "largest")).toBeUndefined()
})

test("does not reorder what it is given", () => {
  const values = [3, 1, 2]
  summarize(values, ["a", "b", "c"], "smallest")
  expect(values).toEqual([3, 1, 2])
})
