/** Rules that all kinds of data share. Their values are in `findings.ts`. */
import { counted, roughDuration, wholeNumber } from "../boundary/index.ts"
import { ON_THE_WAY, type Splits } from "../plan/index.ts"
import type { LinearSite } from "../tensors/index.ts"
import { type Choice, measured } from "./choice.ts"
import { type Finding, findings, rank as measuredRank, type Speed, scale } from "./findings.ts"

/** Chooses r and α. `narrowest`: the smallest side of an adapted weight, the maximum rank. */
export const ranks = (narrowest: number, finding: Finding, preferred: number = measuredRank): ReadonlyArray<Choice> => {
  const value = Math.min(preferred, narrowest)
  const reason = value < preferred ? "the maximum for the model's narrowest layer" : "the usual rank"
  return [
    measured("adapter.rank", value, reason, finding),
    measured("adapter.alpha", scale * value, `${scale} times the rank`, findings.scale)
  ]
}

// A multiple: batches are padded to one anyway, and a round number is easy to remember.
const ROUND = 16

/** Rounds a length up to at least `tokens`. */
export const roundLength = (tokens: number): number => Math.max(ROUND, Math.ceil(tokens / ROUND) * ROUND)

/** Chooses the rows per step: `largest`, halved until a run over `seen` rows has `steps` steps, but at least `smallest`. */
export const rowsOfStep = (
  rowsSeen: number,
  { largest, smallest, steps }: { readonly largest: number; readonly smallest: number; readonly steps: number }
): number => {
  let rows = largest
  while (rows > smallest && rowsSeen / rows < steps) rows /= 2
  return rows
}

/** Formats passes: "1,920 rows seen, 1.4 passes over 1,350". */
export const passesOf = (rowsSeen: number, rows: number): string => {
  const passes = rowsSeen / rows
  return `${counted(rowsSeen, "row")} seen, ${passes < 10 ? passes.toFixed(1) : wholeNumber(Math.round(passes))} passes over ${wholeNumber(rows)}`
}

/** Estimates the seconds of training on two CPU cores. */
export const secondsOf = (tokens: number, linear: number, speed: Speed): number =>
  (tokens * linear) / (speed.tokensPerSecond * speed.linear)

export const timeText = (seconds: number): string => {
  return `about ${roughDuration(seconds)} of training on two CPU cores`
}

/** Returns the text of `timeText` in one of these reasons. */
export const timeIn = (choices: ReadonlyArray<Choice>): string | undefined =>
  choices
    .map(({ reason }) => /\babout [\d.,]+ (?:s|min|h)(?: \d+ min)? of training on two CPU cores/.exec(reason)?.[0])
    .find(Boolean)

/** Returns the maximum standard error of an accuracy over `rows` rows, in percentage points. */
const errorOf = (rows: number): string => (50 / Math.sqrt(rows)).toFixed(1)

// A share of a few rows is too small to evaluate on.
const [SMALL, LARGEST_SHARE, SHARE, FEWEST] = [1_000, 0.2, 0.1, 10] as const

/** Chooses the rows to hold out if there is no validation file. */
export const heldOutRows = (rows: number): Choice | null => {
  if (rows < FEWEST) return null
  const value = rows < SMALL ? LARGEST_SHARE : SHARE
  const heldOutRows = wholeNumber(Math.round(rows * value))
  const reason = `no validation file was given: ${heldOutRows} of ${counted(rows, "row")} are held out`
  return { path: "data.validation", value, reason }
}

/** Chooses the rows to hold out for rows with one class each, evaluated by accuracy. */
export const heldOutLabelled = (rows: number): Choice | null => {
  const choice = heldOutRows(rows)
  if (choice === null) return null
  const error = errorOf(Math.round(rows * (choice.value as number)))
  return { ...choice, reason: `${choice.reason}, on which an accuracy has a standard error of up to ${error} points` }
}

/** Rows of the evaluated splits. */
export interface Evaluated {
  readonly validation: number | null
  readonly test: number | null
}

/** Counts the evaluated rows of a plan's splits, if `held` of the training rows are held out. */
export const evaluatedOf = ({ validation, test }: Splits, heldOut: number): Evaluated => ({
  validation: validation?.rows ?? (heldOut > 0 ? heldOut : null),
  test: test?.rows ?? null
})

/** Returns the sizes of the adapted layers: the smallest side of a weight, and the total number of weights. */
export const sizesOf = (sites: ReadonlyArray<Pick<LinearSite, "in" | "out">>) => ({
  narrowest: Math.min(...sites.map((site) => Math.min(site.in, site.out))),
  linear: sites.reduce((sum, site) => sum + site.in * site.out, 0)
})

/** Chooses the rows per evaluation during a run of `steps` steps, if fewer than the default suffice. `few`: how many, and why. */
export const evaluation = (
  { validation, test }: Evaluated,
  steps: number,
  few: { readonly rows: number; readonly why: string }
): ReadonlyArray<Choice> => {
  const largest = Math.max(validation ?? 0, test ?? 0)
  if (few.rows >= ON_THE_WAY || largest <= few.rows) return []
  const when = validation === null ? "before training" : `before training and during its ${counted(steps, "step")}`
  const reason = `of up to ${wholeNumber(largest)}, ${when}: ${few.why}; the last evaluation uses all rows`
  return [{ path: "training.evaluateRows", value: few.rows, reason }]
}

/** Rows that suffice for an accuracy during training. */
export const someLabelled = (rows: number, hasAccuracy = true) => ({
  rows,
  why: hasAccuracy
    ? `a standard error of ${errorOf(rows)} points is enough for evaluations before the last`
    : "evaluations before the last only need to show the trend"
})

export const nothingToEvaluate = ({ validation, test }: Evaluated): ReadonlyArray<string> =>
  validation === null && test === null
    ? ["no rows to evaluate on: add --validation or --test, or the gain will be unknown"]
    : []

const FEW_OF_A_CLASS = 20

export const fewOfEach = (rows: number, classes: number): ReadonlyArray<string> =>
  classes > 1 && rows / classes < FEW_OF_A_CLASS
    ? [
        `${counted(rows, "training row")} are about ${(rows / classes).toFixed(0)} for each of ${classes} classes: more rows will help more than any change to the plan`
      ]
    : []
