/** What is said of classes stays a screen, however many there are. */
import { expect, test } from "bun:test"
import type { ClassificationData } from "../../../../src/data/index.ts"
import { confusionText, majorityBaseline } from "../../../../src/kinds/rows/classes.ts"
import type { ClassEvaluation } from "../../../../src/training/index.ts"

const evaluated = (classes: number) => {
  const labels = Array.from({ length: classes }, (_, i) => `class ${i}`)
  // each class is taken for the one after it, the later the more often
  const confusion = labels.map((_, i) => labels.map((_, j) => (i === j ? 5 : j === i + 1 ? i : 0)))
  const evaluation: ClassEvaluation = { rows: 1, loss: 1, accuracy: 1, macroF1: 1, confusion }
  return confusionText(labels, evaluation)
}

test("a confusion matrix of a few classes is a table", () => {
  const lines = evaluated(3).split("\n")
  expect(lines[0]).toMatch(/^true \\ predicted {2}class 0 {2}class 1 {2}class 2$/)
  expect(lines).toHaveLength(4)
})

test("of two thousand it is the pairs that are confused most often", () => {
  const lines = evaluated(2_000).split("\n")
  expect(lines).toHaveLength(22)
  expect(lines[0]).toBe("2000 classes, most often confused:")
  expect(lines[1]).toBe("1998  class 1998 taken for class 1999")
  expect(lines[21]).toBe("and 1,978 more")
})

test("doing nothing is the most frequent class of the training rows, whatever the split has most of", () => {
  const split = (...classCounts: ReadonlyArray<number>) => ({
    rows: classCounts.reduce((sum, n) => sum + n, 0),
    classCounts
  })
  const data = {
    labels: ["bad", "fine"],
    splits: { train: split(30, 10), test: split(2, 6) }
  } as never as ClassificationData
  const { of, scores } = majorityBaseline(data, "test")!
  expect(of).toContain("bad")
  expect(scores["accuracy"]).toBe(0.25)
  // of the one class that is predicted precision is 1/4 and recall 1: F1 is 0.4, that of the other 0
  expect(scores["macroF1"]).toBeCloseTo(0.2, 12)
  // 3/4 of the probability on "bad", 1/4 on "fine"
  expect(scores["loss"]).toBeCloseTo(-(2 * Math.log(0.75) + 6 * Math.log(0.25)) / 8, 12)
  expect(majorityBaseline(data, "validation")).toBeNull()
})
