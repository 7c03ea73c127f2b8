/**
 * Progress of a running study on stderr: one line for each completed trial. A terminal also shows the running trials below, redrawn in place; other
 * outputs get a line about them from time to time.
 */
import * as Effect from "effect/Effect"
import { counted, duration, percent, printable, printableLine, scientific, score } from "../boundary/index.ts"
import type { Progress } from "./database.ts"
import { formatValue, type Measure } from "./measure.ts"
import type { Score, Trial, TrialResult } from "./study.ts"

interface Standing {
  /** results in the order in which the trials ended */
  readonly results: ReadonlyArray<TrialResult>
  readonly running: ReadonlyArray<Progress>
  /** maximum number of trials */
  readonly most: number
}

/** Returns `sweep lora, rank 8, rate 1e-3, seed 0`. */
export const trialText = ({ stage, method, rank, learningRate, seed, share }: Trial): string =>
  [
    `${stage} ${method}`,
    ...(rank === null ? [] : [`rank ${rank}`]),
    `rate ${scientific(learningRate)}`,
    `seed ${seed}`,
    ...(share === 1 ? [] : [`${percent(share)} of the steps`])
  ].join(", ")

/** Returns the line of a trial's result, on the split that judges its stage. */
export const resultLine = (measure: Measure, result: TrialResult, finished: number, most: number): string => {
  const { trial, status, reason = "" } = result
  const start = `[${finished}/${most}] ${trialText(trial)}: `
  if (status === "failed") return `${start}failed: ${reason.split("\n")[0]}`
  const split = trial.stage === "sweep" ? "validation" : "test"
  const { [measure.name]: reached = null, loss = null }: Partial<Score> = result[split] ?? {}
  const parts = [
    ...(loss === null ? [] : [`${split} loss ${score(loss)}`]),
    ...(reached === null ? [] : [`${measure.label} ${formatValue(measure, reached)}`]),
    ...(result.seconds === null ? [] : [duration(result.seconds)])
  ]
  return start + parts.join(", ")
}

const bar = (share: number, width = 16): string => {
  const filled = Math.round(share * width)
  return "█".repeat(filled) + "░".repeat(width - filled)
}

const runningLine = ({ trial, worker, step, steps, loss, waiting }: Progress): string => {
  const at =
    steps === 0 ? "starts" : `${bar(step / steps)} ${step}/${steps}${loss === null ? "" : ` loss ${score(loss)}`}`
  return `  ${trial}  ${waiting === null ? at : `waits: ${waiting.split("\n")[0]}`}  (${worker})`
}

/** Returns the lines below the results on a terminal. */
export const standingLines = ({ results, running, most }: Standing): ReadonlyArray<string> => {
  const failed = results.filter(({ status }) => status === "failed").length
  const counts = `${results.length} of at most ${counted(most, "run")} ended${failed === 0 ? "" : `, ${failed} of them failed`}`
  return [`${counts}; ${running.length} running`, ...running.map(runningLine)]
}

interface Screen {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly write: (text: string) => unknown
}

export interface LiveTable {
  /** Begins the display. The `done` existing results are not printed again. */
  readonly begin: (done: number) => Effect.Effect<void>
  readonly show: (standing: Standing) => Effect.Effect<void>
  readonly tell: (message: string) => Effect.Effect<void>
  /** Clears the redrawn lines. */
  readonly end: Effect.Effect<void>
}

/** Minimum milliseconds between two plain lines about running trials. */
const AGAIN = 10_000

/** Formats the standing as one line. */
const standingLine = (standing: Standing): string => {
  const [counts, ...running] = standingLines(standing)
  return running.length === 0 ? counts! : `${counts}: ${running.map((line) => line.trim()).join(", ")}`
}

/**
 * Writes to `screen`. Truncates lines at the terminal's width, since wrapped lines would break the redrawing. `now`: a monotonic clock in
 * milliseconds.
 */
export const liveTable = (measure: Measure, screen: Screen, now: () => number = () => performance.now()): LiveTable => {
  const live = screen.isTTY === true
  let wrote = now()
  let drawn = 0
  let printed = 0
  let last: ReadonlyArray<string> = []
  const erase = () => {
    if (drawn > 0) screen.write(`\x1b[${drawn}F\x1b[J`)
    drawn = 0
  }
  const draw = () => {
    if (!live) return
    const width = screen.columns ?? 100
    for (const line of last.map(printableLine))
      screen.write(`${line.length < width ? line : `${line.slice(0, width - 2)}…`}\n`)
    drawn = last.length
  }
  const above = (lines: ReadonlyArray<string>) => {
    erase()
    for (const line of lines) screen.write(`${printable(line)}\n`)
    wrote = now()
    draw()
  }
  return {
    begin: (done) =>
      Effect.sync(() => {
        printed = done
        if (done > 0) above([`runs already finished: ${done}`])
      }),
    show: (standing) =>
      Effect.sync(() => {
        const { results, most } = standing
        const fresh = results.slice(printed).map((result, i) => resultLine(measure, result, printed + i + 1, most))
        printed = results.length
        last = standingLines(standing)
        if (live || fresh.length > 0) above(fresh)
        else if (now() - wrote >= AGAIN) above([standingLine(standing)])
      }),
    tell: (message) => Effect.sync(() => above([message])),
    end: Effect.sync(erase)
  }
}
