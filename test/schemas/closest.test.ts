import { expect, test } from "bun:test"
import { closest, editDistance } from "../../schemas/problems.ts"

test.each([
  ["", "", 0],
  ["abc", "", 3],
  ["kitten", "sitting", 3],
  ["lorra", "lora", 1],
  ["rnak", "rank", 1], // neighbours swapped count once
  ["ca", "abc", 3] // restricted: a swapped pair is not edited again
])("from %p to %p are %d edits", (a, b, edits) => {
  expect(editDistance(a, b)).toBe(edits)
  expect(editDistance(b, a)).toBe(edits)
})

test.each<[string, ReadonlyArray<string>, string | undefined]>([
  ["rnk", ["method", "rank", "alpha"], "rank"],
  ["learning_rate", ["learningRate", "headLearningRate"], "learningRate"],
  ["LORA", ["lora", "full"], "lora"],
  ["lin", ["constant", "linear"], "linear"],
  ["dora", ["full", "none"], undefined],
  ["a", ["b", "c"], undefined],
  ["margin", ["marvel"], undefined], // half of it is another word
  ["x", [], undefined]
])("%p among %p is %p", (name, candidates, nearest) => {
  expect(closest(name, candidates)).toBe(nearest)
})
