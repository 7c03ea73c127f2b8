/** What doing nothing reaches, and runs that reach no more. */
import { describe, expect, test } from "bun:test"
import type { ClassificationData } from "../../../src/data/index.ts"
import { embedding } from "../../../src/kinds/encoder/embedding/index.ts"
import { regression } from "../../../src/kinds/encoder/regression/index.ts"
import { majorityBaseline, classMetrics as metrics } from "../../../src/kinds/rows/classes.ts"
import { baselineText, checkpointText, noBetterText, shortfallText } from "../../../src/output/index.ts"

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
      "Baseline (always “a”): accuracy 50.0 %, loss 0.250"
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
      "the model is no better than always “a”: accuracy 67.1 % on test, compared with 67.1 %"
    )
    expect(noBetterText(kind, ended(0.68))).toBeNull()
  })

  test("is compared with the model before training where there is no other", () => {
    const unknown = { ...ended(0.156), baseline: { validation: null, test: null } }
    expect(noBetterText(kind, unknown)).toContain("no better than before training")
    expect(noBetterText(kind, { ...unknown, after: evaluation(0.2) })).toBeNull()
    expect(noBetterText(kind, { ...unknown, after: null })).toBeNull()
  })

  test("by its loss, of which less is better, where the headline is not known", () => {
    const byLoss = { validation: null, test: { of: "the mean", scores: { loss: 0.4 } } }
    expect(noBetterText(kind, { ...ended(0.5), baseline: byLoss })).toContain(
      "the mean: loss 0.500 on test, compared with 0.400"
    )
    expect(noBetterText(kind, { ...ended(0.7), baseline: byLoss })).toBeNull()
  })
})

describe("a metric that does not follow the one that a run is judged by", () => {
  const { metrics: ranking, headline } = embedding
  const kind = { metrics: ranking, headline }
  const of = (recallAt10: number, recallAt1: number, loss = 1) => ({
    recallAt10,
    recallAt1,
    mrrAt10: recallAt10 / 2,
    loss
  })

  test("stays at its worst value", () => {
    expect(shortfallText(kind, { before: of(0.81, 0), after: of(0.97, 0) })).toBe(
      "While recall@10 improved, recall@1 stayed at 0.0 %."
    )
  })

  test("gets worse, whichever way that is", () => {
    expect(shortfallText(kind, { before: of(0.81, 0.5, 1), after: of(0.97, 0.4, 1.5) })).toBe(
      "While recall@10 improved, recall@1 fell from 50.0 % to 40.0 % and loss rose from 1.000 to 1.500."
    )
    const values = (mae: number, r2: number) => ({ mae, r2, mse: 1, pearson: 0.5, spearman: Number.NaN, loss: 1 })
    expect(shortfallText(regression, { before: values(0.9, 0.5), after: values(0.8, 0.4) })).toBe(
      "While mean error improved, R² fell from 0.500 to 0.400."
    )
  })

  test("is not mentioned where all follow, values read alike, the other did not improve, or there is nothing to compare", () => {
    expect(shortfallText(kind, { before: of(0.81, 0.1), after: of(0.97, 0.3) })).toBeNull()
    expect(shortfallText(kind, { before: of(0.81, 0.50001), after: of(0.97, 0.5) })).toBeNull()
    expect(shortfallText(kind, { before: of(0.81, 0.5), after: of(0.81, 0.1) })).toBeNull()
    expect(shortfallText(kind, { before: of(0.97, 0), after: of(0.81, 0) })).toBeNull()
    expect(shortfallText(kind, { before: null, after: of(0.81, 0) })).toBeNull()
    expect(shortfallText(kind, { before: of(0.81, 0), after: null })).toBeNull()
  })
})

describe("the state that is kept, in words", () => {
  const kept = { step: 80, metric: "accuracy", value: 0.908, rows: 1240 }

  test("the last, where rows cannot tell that another is better", () => {
    expect(checkpointText(metrics, { ...kept, compared: { step: 64, value: 0.913 } }, { steps: 80 })).toBe(
      "the last checkpoint (validation accuracy 90.8 %): step 64 had 91.3 %, a difference that 1,240 rows cannot tell from chance"
    )
  })

  test("the best, next to the last", () => {
    expect(checkpointText(metrics, { ...kept, step: 64, compared: { step: 80, value: 0.7 } }, { steps: 80 })).toBe(
      "the best checkpoint, step 64 of 80 (validation accuracy 90.8 %; 70.0 % at the last step)"
    )
  })
})
