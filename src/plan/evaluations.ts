/** Which rows of which split a plan evaluates, and when. */
import type { RunPlan } from "../../schemas/index.ts"
import type { Splits } from "./resolved.ts"

type Split = "validation" | "test"

/** Evaluations on the way, the last step's among them, where the plan does not say how many. */
const POINTS = 5
/** Rows of each of them: an accuracy has a standard error of 3 points at most, and five looks took 4 s (docs/devices.md), as long as 40 steps. */
export const ON_THE_WAY = 256
/** Rows before training. All of them are evaluated at the end in any case, so this at most doubles a run's one long evaluation. */
const BEFORE = 1_000

export interface Evaluations {
  /** the gain is measured on this one, before and after; undefined: there is none */
  readonly judged: Split | undefined
  /** its first rows, this many */
  readonly judgedRows: number
  /** is looked at on the way; undefined: none is */
  readonly watched: Split | undefined
  readonly watchedRows: number
  /** steps between two looks; Infinity: none before the end */
  readonly every: number
}

/** On the way validation rows, so that no one tunes on the test split; it alone where a plan asks for it. */
export const evaluationsOf = (
  { training: { evaluateEvery, evaluateRows } }: Pick<RunPlan, "training">,
  { validation, test }: Splits,
  steps: number
): Evaluations => {
  const given = { validation, test }
  const judged = test !== undefined ? "test" : validation !== undefined ? "validation" : undefined
  const watched = validation !== undefined ? "validation" : typeof evaluateEvery === "number" ? judged : undefined
  const rows = (split: Split | undefined, most: number) =>
    Math.min(split === undefined ? 0 : given[split]!.rows, evaluateRows === "all" ? Infinity : (evaluateRows ?? most))
  const every = evaluateEvery ?? Math.ceil(steps / POINTS)
  return {
    judged,
    judgedRows: rows(judged, BEFORE),
    watched,
    watchedRows: rows(watched, ON_THE_WAY),
    every: watched === undefined || every === "never" ? Infinity : every
  }
}
