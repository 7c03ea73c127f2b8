/** What doing nothing reaches, and runs that reach no more. */
import { describe, expect, test } from "bun:test"
import type { ClassificationData } from "../../../src/data/index.ts"
import { majorityBaseline, classMetrics as metrics } from "../../../src/kinds/labelled.ts"
import { baselineText, noBetterText } from "../../../src/output/index.ts"

/** Rows of each class in train and in test. */
const data = (learned: ReadonlyArray<number>, tested: ReadonlyArray<number>) => {
  const split = (classCounts: ReadonlyArray<number>) => ({ rows: classCounts.reduce((a, b) => a + b, 0), classCounts })
  return {
    labels: ["a", "b", "c"],
    splits: { train: split(learned), test: split(tested) }
  } as unknown as ClassificationData
}

describe("the most frequent class", () => {
  test("is the training rows', and reaches its share of the split's", () => {
    const { of, scores } = majorityBaseline(data([6, 3, 1], [2, 2, 4]), "test")!
    expect(of).toBe("always “a”, the most frequent class")
    expect(scores["accuracy"]).toBe(0.25)
    // of class a precision 1/4 and recall 1, so F1 2/5; of the others 0
    expect(scores["macroF1"]).toBeCloseTo(0.4 / 3, 12)
    const entropy = -(0.25 * Math.log(0.6) + 0.25 * Math.log(0.3) + 0.5 * Math.log(0.1))
    expect(scores["loss"]).toBeCloseTo(entropy, 12)
  })

  test("is the first of equally many; a class that was never seen has no loss", () => {
    const { of, scores } = majorityBaseline(data([3, 3, 0], [1, 1, 2]), "test")!
    expect(of).toContain("“a”")
    expect(scores).not.toHaveProperty("loss")
    expect(majorityBaseline(data([1, 2, 0], [3, 1, 0]), "validation")).toBeNull()
  })

  test("is said in words", () => {
    expect(baselineText(metrics, { of: "always “a”", scores: { loss: 0.25, accuracy: 0.5 } })).toBe(
      "accuracy 50.0 %, loss 0.250 (always “a”)"
    )
  })
})

describe("a run that is no better than nothing", () => {
  const kind = { metrics, headline: ["accuracy", "loss"] } as const
  const evaluation = (accuracy: number) => ({ accuracy, loss: 1 - accuracy })
  const baseline = { validation: null, test: { of: "always “a”", scores: { accuracy: 0.671 } } }
  const ended = (accuracy: number) => ({
    before: evaluation(0.156),
    after: evaluation(accuracy),
    validation: null,
    test: evaluation(accuracy),
    baseline
  })

  test("says so, though it is better than before training", () => {
    expect(noBetterText(kind, ended(0.671))).toBe(
      "the model answers no better than always “a”: on test accuracy 67.1 %, against 67.1 %"
    )
    expect(noBetterText(kind, ended(0.68))).toBeNull()
  })

  test("is compared with the model before training where there is no other", () => {
    const unknown = { ...ended(0.156), baseline: { validation: null, test: null } }
    expect(noBetterText(kind, unknown)).toContain("no better than it did before training")
    expect(noBetterText(kind, { ...unknown, after: evaluation(0.2) })).toBeNull()
    expect(noBetterText(kind, { ...unknown, after: null })).toBeNull()
  })

  test("by its loss, of which less is better, where the headline is not known", () => {
    const byLoss = { validation: null, test: { of: "the mean", scores: { loss: 0.4 } } }
    expect(noBetterText(kind, { ...ended(0.5), baseline: byLoss })).toContain(
      "the mean: on test loss 0.500, against 0.400"
    )
    expect(noBetterText(kind, { ...ended(0.7), baseline: byLoss })).toBeNull()
  })
})
