/** Rules that every kind of data shares. The numbers are in `findings.ts`. */
import { counted } from "../boundary/index.ts"
import { ON_THE_WAY, type Splits } from "../plan/index.ts"
import type { LinearSite } from "../tensors/index.ts"
import { type Choice, count, measured } from "./choice.ts"
import { type Finding, findings, rank as measuredRank, type Speed, scale } from "./findings.ts"

/** r and α; `narrowest`: the smallest side of an adapted weight, since no rank is larger. */
export const ranks = (narrowest: number, finding: Finding, wanted: number = measuredRank): ReadonlyArray<Choice> => {
  const value = Math.min(wanted, narrowest)
  const reason = value < wanted ? "the model's narrowest layer allows no more" : "the usual one"
  return [
    measured("adapter.rank", value, reason, finding),
    measured("adapter.alpha", scale * value, `${scale} times the rank`, findings.scale)
  ]
}

// Multiples: a batch is padded to one anyway, and a number that is easy to remember is worth the rest.
const ROUND = 16

/** A length of at least `tokens`. */
export const roundLength = (tokens: number): number => Math.max(ROUND, Math.ceil(tokens / ROUND) * ROUND)

/** Rows of a step: `largest`, halved until a run that sees `seen` rows has `steps` steps, and no fewer than `smallest`. */
export const rowsOfStep = (
  seen: number,
  { largest, smallest, steps }: { readonly largest: number; readonly smallest: number; readonly steps: number }
): number => {
  let rows = largest
  while (rows > smallest && seen / rows < steps) rows /= 2
  return rows
}

/** "1,920 rows seen, 1.4 passes over 1,350" */
export const passesOf = (seen: number, rows: number): string => {
  const passes = seen / rows
  return `${counted(seen, "row")} seen, ${passes < 10 ? passes.toFixed(1) : passes.toFixed(0)} passes over ${count(rows)}`
}

/** Seconds of training on two CPU cores. */
export const secondsOf = (tokens: number, linear: number, speed: Speed): number =>
  (tokens * linear) / (speed.tokensPerSecond * speed.linear)

export const timeText = (seconds: number): string => {
  const about =
    seconds < 90
      ? `${Math.ceil(seconds)} s`
      : seconds < 5400
        ? `${Math.ceil(seconds / 60)} min`
        : `${count(Number((seconds / 3600).toFixed(1)))} h`
  return `about ${about} of training on two CPU cores`
}

/** What `timeText` said in one of these reasons. */
export const timeIn = (choices: ReadonlyArray<Choice>): string | undefined =>
  choices
    .map(({ reason }) => /\babout [\d.,]+ (?:s|min|h) of training on two CPU cores/.exec(reason)?.[0])
    .find(Boolean)

/** Percentage points of standard error that an accuracy over `rows` has at most. */
const errorOf = (rows: number): string => (50 / Math.sqrt(rows)).toFixed(1)

// A share of few rows is too few to see anything by.
const [SMALL, LARGEST_SHARE, SHARE, FEWEST] = [1_000, 0.2, 0.1, 10] as const

/** Rows held out where no validation file is given. */
export const heldOutRows = (rows: number): Choice | null => {
  if (rows < FEWEST) return null
  const value = rows < SMALL ? LARGEST_SHARE : SHARE
  const held = count(Math.round(rows * value))
  const reason = `no validation file was given: ${held} of ${counted(rows, "row")} are held out`
  return { path: "data.validation", value, reason }
}

/** The same of rows with a class each, of which an accuracy is measured. */
export const heldOutLabelled = (rows: number): Choice | null => {
  const choice = heldOutRows(rows)
  if (choice === null) return null
  const error = errorOf(Math.round(rows * (choice.value as number)))
  return { ...choice, reason: `${choice.reason}, on which an accuracy has a standard error of up to ${error} points` }
}

/** Rows of the splits that are evaluated. */
export interface Evaluated {
  readonly validation: number | null
  readonly test: number | null
}

/** Of a plan's splits, where `held` of the training rows will be held out. */
export const evaluatedOf = ({ validation, test }: Splits, held: number): Evaluated => ({
  validation: validation?.rows ?? (held > 0 ? held : null),
  test: test?.rows ?? null
})

/** What the adapted layers say of ranks and of time: the smallest side of a weight, and numbers in all of them. */
export const sizesOf = (sites: ReadonlyArray<Pick<LinearSite, "in" | "out">>) => ({
  narrowest: Math.min(...sites.map((site) => Math.min(site.in, site.out))),
  linear: sites.reduce((sum, site) => sum + site.in * site.out, 0)
})

/** On how many rows a run of `steps` is evaluated on its way, where fewer do than it looks at by itself. `few`: how many, and why. */
export const evaluation = (
  { validation, test }: Evaluated,
  steps: number,
  few: { readonly rows: number; readonly why: string }
): ReadonlyArray<Choice> => {
  const largest = Math.max(validation ?? 0, test ?? 0)
  if (few.rows >= ON_THE_WAY || largest <= few.rows) return []
  const when = validation === null ? "before training" : `before training and on the way of ${counted(steps, "step")}`
  const reason = `of up to ${count(largest)}, ${when}: ${few.why}; the last one takes all rows`
  return [{ path: "training.evaluateRows", value: few.rows, reason }]
}

/** Rows that suffice for an accuracy on the way. */
export const someLabelled = (rows: number, hasAccuracy = true) => ({
  rows,
  why: hasAccuracy
    ? `evaluations before the last need no more than a standard error of ${errorOf(rows)} points`
    : "evaluations before the last only show which way it goes"
})

export const nothingToEvaluate = ({ validation, test }: Evaluated): ReadonlyArray<string> =>
  validation === null && test === null
    ? ["there is nothing to evaluate on: give --validation or --test, or what is gained will not be known"]
    : []

const FEW_OF_A_CLASS = 20

export const fewOfEach = (rows: number, classes: number): ReadonlyArray<string> =>
  classes > 1 && rows / classes < FEW_OF_A_CLASS
    ? [
        `${counted(rows, "training row")} are ${(rows / classes).toFixed(0)} for each of ${classes} classes: more of them will change more than any value of the plan`
      ]
    : []
