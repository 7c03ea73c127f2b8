/** How a run stands by its evaluations: examples by hand, and laws over sequences of them. */
import { describe, expect, test } from "bun:test"
import { percent } from "../../../src/boundary/index.ts"
import { randomStream } from "../../../src/numbers/index.ts"
import { checkpointText, stoppedText } from "../../../src/output/index.ts"
import {
  afterEvaluation,
  beginning,
  choiceOf,
  reasonOf,
  standingOf,
  stops,
  type Watch,
  watchOf
} from "../../../src/run/standing.ts"
import { crossEntropyMetric } from "../../../src/training/index.ts"

const loss: Watch = { metric: "loss", better: "lower", leastGain: 0, patience: 2 }
const every = (values: ReadonlyArray<number>) =>
  values.map((value, i) => ({ step: 10 * (i + 1), rows: 5, loss: value, accuracy: 1 - value }))
const standing = (watch: Watch, values: ReadonlyArray<number>) =>
  every(values).reduce((now, evaluation) => afterEvaluation(watch, now, evaluation), beginning)
/** The number of evaluations after which it stops; undefined: it does not. */
const stopsAfter = (watch: Watch, values: ReadonlyArray<number>): number | undefined =>
  values.map((_, i) => i + 1).find((n) => stops(watch, standing(watch, values.slice(0, n))))

describe("a run", () => {
  test("stops after so many evaluations in a row that are no gain", () => {
    expect(stopsAfter(loss, [0.9, 0.5, 0.6, 0.55])).toBe(4)
    expect(stopsAfter(loss, [0.9, 0.5, 0.6, 0.4, 0.45])).toBeUndefined()
    // as good is not better
    expect(stopsAfter(loss, [0.5, 0.5, 0.5])).toBe(3)
  })

  test("is not stopped by small gains that add up to one", () => {
    const watch = { ...loss, leastGain: 0.1 }
    expect(stopsAfter(watch, [0.9, 0.84, 0.78, 0.72, 0.66])).toBeUndefined()
    expect(stopsAfter(watch, [0.9, 0.85, 0.81])).toBe(3)
  })

  test("keeps the best step, however small the gain, and the first of equals", () => {
    const { best, gain } = standing({ ...loss, leastGain: 0.1 }, [0.9, 0.85, 0.85, 0.86])
    expect(best).toEqual({ step: 20, value: 0.85, loss: 0.85 })
    expect(gain).toEqual({ step: 10, value: 0.9 })
  })

  test("is watched by a metric of which more is better", () => {
    const accuracy: Watch = { ...loss, metric: "accuracy", better: "higher" }
    expect(standing(accuracy, [0.9, 0.5, 0.6]).best?.step).toBe(20)
    expect(stopsAfter(accuracy, [0.9, 0.5, 0.6, 0.5])).toBe(4)
  })

  test("takes what is no number for no gain", () => {
    expect(standing(loss, [Number.NaN, Number.POSITIVE_INFINITY]).best).toBeNull()
    expect(stopsAfter(loss, [Number.NaN, Number.NaN])).toBe(2)
    expect(stopsAfter(loss, [0.9, Number.NaN, 0.8, Number.NaN])).toBeUndefined()
  })

  test("of two steps as good as each other, the one with the smaller loss is the best", () => {
    const accuracy: Watch = { ...loss, metric: "accuracy", better: "higher" }
    const at = (step: number, own: number) => ({ step, rows: 5, loss: own, accuracy: 0.8 })
    const best = (losses: ReadonlyArray<number>) =>
      losses.reduce((now, own, i) => afterEvaluation(accuracy, now, at(i + 1, own)), beginning).best?.step
    expect(best([0.5, 0.4, 0.6])).toBe(2)
    expect(best([0.4, 0.4, 0.6])).toBe(1)
  })

  test("is watched by what its kind is judged by, and never stops, where the plan says nothing", () => {
    const kind = { metrics: { loss: crossEntropyMetric }, headline: ["loss"] } as const
    expect(watchOf({ training: {} } as never, kind)).toEqual({ ...loss, patience: Number.POSITIVE_INFINITY })
  })

  test("says why it stopped", () => {
    const run = standingOf(loss, every([0.9, 0.281, 0.3, 0.29]))
    expect(stoppedText({ loss: crossEntropyMetric }, reasonOf(run), { steps: 40, planned: 80 })).toBe(
      "stopped after step 40 of 80: validation loss was last better at step 20 (0.281), 2 evaluations ago"
    )
    const accuracy = { label: "accuracy", unit: "%", format: percent, better: "higher" } as const
    const reason = { metric: "accuracy", step: 0, value: null, evaluations: 1 }
    expect(stoppedText({ accuracy }, reason, { steps: 5, planned: 8 })).toBe(
      "stopped after step 5 of 8: validation accuracy was never a number, 1 evaluation ago"
    )
  })

  test("keeps the last step where it is the best on the same rows", () => {
    const evaluations = every([0.9, 0.5, 0.6])
    const last = (value: number) =>
      ({ ...every([value])[0]!, step: 35, kind: "evaluation", split: "validation" }) as const
    expect(choiceOf(standingOf(loss, evaluations), last(0.55))).toMatchObject({ step: 20, value: 0.5, rows: 5 })
    const kept = choiceOf(standingOf(loss, evaluations), last(0.55))!
    expect(checkpointText({ loss: crossEntropyMetric }, kept, { steps: 35 })).toBe(
      "the best checkpoint, step 20 of 35 (validation loss 0.500)"
    )
    expect(checkpointText({}, { ...kept, step: 35 }, { steps: 35 })).toBe("the last checkpoint, which is the best")
    expect(choiceOf(standingOf(loss, evaluations), last(0.45))).toMatchObject({ step: 35, value: 0.45 })
    expect(choiceOf(standingOf(loss, evaluations), undefined)).toBeNull()
  })
})

test("a run that is resumed after any evaluation decides as one that was not interrupted", () => {
  const random = randomStream(7, "standing", 0)
  for (let trial = 0; trial < 200; trial++) {
    const better = random() < 0.5 ? "higher" : "lower"
    const watch: Watch = {
      metric: better === "higher" ? "accuracy" : "loss",
      better,
      leastGain: random() < 0.5 ? 0 : 0.2 * random(),
      patience: 1 + Math.floor(4 * random())
    }
    const values = Array.from({ length: 12 }, () => (random() < 0.1 ? Number.NaN : Math.round(10 * random()) / 10))
    const all = every(values)
    // what patience means, by its definition: the evaluations since the last gain
    let gain: number | undefined
    let since = 0
    for (const [i, { step, loss: ownLoss, accuracy }] of all.entries()) {
      const value = better === "higher" ? accuracy : -ownLoss
      const gained = Number.isFinite(value) && (gain === undefined || value > gain + watch.leastGain)
      if (gained) gain = value
      since = gained ? 0 : since + 1
      const resumed = standingOf(watch, all.slice(0, i + 1))
      expect([step, resumed.stops()]).toEqual([step, since >= watch.patience])
      // evaluated once more after the interruption, and on
      for (const evaluation of all.slice(i)) resumed.add(evaluation)
      expect(resumed.now()).toEqual(standingOf(watch, all).now())
    }
    const finite = all.filter((one) => Number.isFinite(one.loss))
    const sorted = finite.toSorted((a, b) => a.loss - b.loss || a.step - b.step)
    expect(standing(watch, values).best?.step).toBe(sorted[0]?.step)
  }
})
