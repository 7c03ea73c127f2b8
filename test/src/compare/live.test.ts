/** What a study shows while it runs. */
import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { liveTable, resultLine, standingLines, trialText } from "../../../src/compare/live.ts"
import type { Trial, TrialResult } from "../../../src/compare/study.ts"
import { failedResult } from "../../../src/compare/trial-run.ts"
import { accuracy } from "./study-example.ts"

const trial: Trial = {
  id: "sweep-lora-r8-lr0.001-s0",
  stage: "sweep",
  method: "lora",
  learningRate: 1e-3,
  rank: 8,
  seed: 0,
  share: 1
}
const score = { rows: 10, loss: 0.25, accuracy: 0.9, macroF1: 0.9 }
const result: TrialResult = {
  ...failedResult(trial, "runs/x", ""),
  status: "done",
  validation: score,
  test: { ...score, loss: 0.5, accuracy: 0.8 },
  seconds: 14
}
const running = { trial: trial.id, worker: "7@here", step: 40, steps: 80, loss: 0.5, waiting: null }

const screen = (isTTY: boolean, columns = 200) => {
  const written: Array<string> = []
  return { isTTY, columns, write: (text: string) => written.push(text), text: () => written.join("") }
}

test("what workers elsewhere say of themselves does nothing to the terminal", async () => {
  const seen = screen(true)
  const live = liveTable(accuracy, seen)
  const hostile = { ...running, worker: "\u001b]0;owned\u0007\n7@here" }
  await Effect.runPromise(
    live.show({ results: [failedResult(trial, "runs/x", "\u009b2J")], running: [hostile], most: 2 })
  )
  expect(seen.text()).toContain("failed: \\u009b2J\n")
  expect(seen.text()).toContain("(\\u001b]0;owned\\u0007\\n7@here)\n")
})

describe("lines", () => {
  test("a sweep's run is told by its validation split, a final one by its test split", () => {
    expect(resultLine(accuracy, result, 3, 27)).toBe(
      "[3/27] sweep lora, rank 8, rate 1e-3, seed 0: validation loss 0.250, accuracy 90.0 %, 14 s"
    )
    expect(resultLine(accuracy, { ...result, trial: { ...trial, stage: "final" } }, 3, 27)).toContain(
      "test loss 0.500, accuracy 80.0 %"
    )
  })

  test("a run that failed is told with the first line of its reason", () => {
    expect(resultLine(accuracy, failedResult(trial, "", "step 3 is not finite\nmore"), 1, 2)).toContain(
      "failed: step 3 is not finite"
    )
  })

  test("a trial without a rank, and one of a part of the steps", () => {
    expect(trialText({ ...trial, method: "full", rank: null, share: 0.25 })).toBe(
      "sweep full, rate 1e-3, seed 0, 25.0 % of the steps"
    )
  })

  test("what runs, and what waits and why", () => {
    const lines = standingLines({
      results: [result],
      running: [running, { ...running, waiting: "x is being written\nby" }],
      most: 9
    })
    expect(lines[0]).toBe("1 of at most 9 runs ended; 2 running")
    expect(lines[1]).toContain("40/80 loss 0.500  (7@here)")
    expect(lines[2]).toContain("waits: x is being written")
  })
})

describe("a screen", () => {
  test("that is no terminal gets plain lines, each result once", () => {
    const out = screen(false)
    const live = liveTable(accuracy, out)
    Effect.runSync(live.show({ results: [], running: [running], most: 9 }))
    Effect.runSync(live.show({ results: [result], running: [running], most: 9 }))
    Effect.runSync(live.show({ results: [result], running: [running], most: 9 }))
    Effect.runSync(live.end)
    expect(out.text()).toBe(`${resultLine(accuracy, result, 1, 9)}\n`)
  })

  test("results from before are counted and not told again", () => {
    const out = screen(false)
    const live = liveTable(accuracy, out)
    Effect.runSync(live.begin(1))
    Effect.runSync(live.show({ results: [result, result], running: [], most: 9 }))
    expect(out.text()).toBe(`runs already finished: 1\n${resultLine(accuracy, result, 2, 9)}\n`)
  })

  test("that is a terminal is redrawn: what was drawn is erased, line for line, and nothing wraps", () => {
    const out = screen(true, 40)
    const live = liveTable(accuracy, out)
    Effect.runSync(live.show({ results: [], running: [running], most: 9 }))
    const drawn = out.text().split("\n").slice(0, -1)
    expect(drawn).toHaveLength(2)
    for (const line of drawn) expect(line.length).toBeLessThan(40)
    const before = out.text().length
    Effect.runSync(live.show({ results: [result], running: [], most: 9 }))
    expect(out.text().slice(before)).toBe(
      `\x1b[2F\x1b[J${resultLine(accuracy, result, 1, 9)}\n1 of at most 9 runs ended; 0 running\n`
    )
    Effect.runSync(live.end)
    expect(out.text().endsWith("\x1b[1F\x1b[J")).toBe(true)
  })
})
