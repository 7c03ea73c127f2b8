/** What a run gained, as numbers, and whether to trust it. */
import { describe, expect, test } from "bun:test"
import { type Gain, gainOf, shareInterval } from "../../../src/output/report/gain.ts"
import { gainView } from "../../../src/output/report/gain-view.ts"
import { element } from "../../../src/output/report/html.ts"
import type { ReportedKind, RunRecord } from "../../../src/output/report/run-record.ts"
import { numberMetric, share } from "../../../src/training/index.ts"

const kind: ReportedKind = {
  metrics: {
    accuracy: { label: "accuracy", ...share },
    error: numberMetric("mean error", "stars", "lower", { type: "mae", name: "MAE" })
  },
  headline: ["accuracy"],
  next: () => ""
}

/** An evaluation of two classes, `right` of `rows` of which are predicted right. */
const evaluation = (split: string, right: number, rows: number, scores: object = {}) => ({
  kind: "evaluation",
  step: 1,
  split,
  rows,
  loss: 0.5,
  accuracy: right / rows,
  confusion: [
    [right, rows - right],
    [0, 0]
  ],
  ...scores
})

const gain = (run: object, of = kind): Gain | null =>
  gainOf({ run: { before: null, validation: null, test: null, warnings: [], ...run } } as unknown as RunRecord, of)

const baseline = (accuracy: number) => ({
  validation: null,
  test: { of: "always “yes”, the most frequent class", scores: { accuracy } }
})

describe("the interval of a share", () => {
  test("has the ends that lie 1.96 standard errors of their own from the share", () => {
    for (const [right, rows] of [
      [9, 10],
      [50, 100],
      [270, 300]
    ] as const)
      for (const end of shareInterval(right / rows, rows))
        expect(Math.abs(right / rows - end) / Math.sqrt((end * (1 - end)) / rows)).toBeCloseTo(1.96, 10)
  })

  test("ends at the ends of the bar where every row is right or wrong", () => {
    expect(shareInterval(1, 20)[1]).toBeCloseTo(1, 12)
    expect(shareInterval(0, 20)[0]).toBeCloseTo(0, 12)
  })
})

describe("a gain", () => {
  test("has the value of the test split, before it that of before, and places on a bar from 0 to 100 %", () => {
    const shown = gain({
      before: evaluation("validation", 10, 20),
      test: evaluation("test", 270, 300),
      baseline: baseline(0.5)
    })!
    expect(shown).toMatchObject({
      metric: "Accuracy",
      on: "test, 300 rows",
      before: { text: "50.0 %", at: 0.5 },
      after: { text: "90.0 %", at: 0.9 },
      baseline: { text: "50.0 %", at: 0.5 },
      ends: ["0.0 %", "100.0 %"],
      trust: { tone: "good", title: "Clearly better than the baseline" }
    })
    expect(shown.legend.map(({ text }) => text)).toEqual([
      "95 % interval 86.1 % to 92.9 %",
      "baseline 50.0 %: always “yes”, the most frequent class",
      "before training 50.0 % (validation, 20 rows)"
    ])
  })

  test("may be chance where the interval includes the baseline, and is not a gain where the value is not better", () => {
    const title = (right: number, rows: number) =>
      gain({ test: evaluation("test", right, rows), baseline: baseline(0.5) })!.trust.title
    expect(title(6, 10)).toBe("The difference may be chance")
    expect(title(90, 100)).toBe("Clearly better than the baseline")
    expect(title(5, 10)).toBe("No better than the baseline")
    expect(title(1, 10)).toBe("No better than the baseline")
  })

  test("of a metric where lower is better has no interval, and is compared with the model before training", () => {
    const of: ReportedKind = { ...kind, headline: ["error"] }
    const run = (before: number, after: number) => ({
      before: evaluation("test", 0, 10, { error: before }),
      test: evaluation("test", 0, 10, { error: after })
    })
    // the bar is as long as the value
    const shown = gain(run(2, 1), of)!
    expect(shown.ends[0]).toBe("0.000")
    expect(shown.before!.at / shown.after.at).toBeCloseTo(2, 12)
    expect(shown).toMatchObject({
      on: "test, 10 rows (lower is better)",
      interval: null,
      trust: { tone: "good", title: "Better than the model before training" }
    })
    expect(gain(run(1, 2), of)!.trust.title).toBe("No better than the model before training")
    // a metric keeps the letters of its name
    const f1: ReportedKind = { ...kind, metrics: { f1: { label: "micro-F1", ...share } }, headline: ["f1"] }
    const scored = { before: evaluation("test", 0, 10, { f1: 0.5 }), test: evaluation("test", 0, 10, { f1: 0.9 }) }
    expect(gain(scored, f1)!.trust.says).toStartWith("There is no interval for micro-F1: ")
  })

  test("with a warning is to be checked; without anything to compare it with it says so; without a split there is none", () => {
    const warned = {
      test: evaluation("test", 90, 100),
      baseline: baseline(0.5),
      warnings: [{ says: "the loss rose at the end", advice: "train for fewer steps" }]
    }
    // their texts follow the gain, in the studio and in a report
    expect(gain(warned)!.trust).toEqual({
      tone: "warn",
      title: "Better than the baseline, with a warning",
      says: "Read the warning below before you use this run."
    })
    expect(gain({ test: evaluation("test", 90, 100) })!.trust.title).toBe("Nothing to compare with")
    expect(gain({})).toBeNull()
  })

  test("on rows that chose the checkpoint says that new rows give less", () => {
    const run = {
      validation: evaluation("validation", 90, 100),
      baseline: { validation: baseline(0.5).test, test: null },
      kept: { step: 1, metric: "accuracy", value: 0.9 }
    }
    expect(gain(run)!.trust.says).toContain("These rows also chose the checkpoint")
  })

  test("is text in a report, whatever its classes are called", () => {
    const of = { validation: null, test: { of: 'always “<b id="b">”', scores: { accuracy: 0.5 } } }
    const { source } = gainView(element, gain({ test: evaluation("test", 270, 300), baseline: of })!)
    expect(source).toContain('<i class="baseline" style="--at:0.5000"></i>')
    expect(source.match(/always “&lt;b id=&quot;b&quot;&gt;”/g)).toHaveLength(2)
    expect(source).not.toContain("<b ")
  })
})
