/** The rows and splits that a plan evaluates, and when. */
import type { RunPlan } from "../../schemas/index.ts"
import type { Splits } from "./resolved.ts"

type Split = "validation" | "test"

/** Default number of evaluations during training, including that of the last step. */
const POINTS = 5
/** Rows of each of them: the standard error of an accuracy is at most 3 points; five evaluations took 4 s (docs/devices.md), as long as 40 steps. */
export const ON_THE_WAY = 256
/** Rows before training. The final evaluation takes all rows in any case, so this at most doubles its time. */
const BEFORE = 1_000

export interface Evaluations {
  /** split on which the gain is measured, before and after training; undefined: the plan has neither */
  readonly judged: Split | undefined
  /** number of its first rows to evaluate */
  readonly judgedRows: number
  /** split that is evaluated during training; undefined: none */
  readonly watched: Split | undefined
  readonly watchedRows: number
  /** steps between two evaluations; Infinity: none during training */
  readonly every: number
}

/** Uses validation rows during training, to keep the test split for the final evaluation; uses the test split only if the plan sets `evaluateEvery`. */
export const evaluationsOf = (
  { training: { evaluateEvery, evaluateRows } }: Pick<RunPlan, "training">,
  { validation, test }: Splits,
  steps: number
): Evaluations => {
  const splits = { validation, test }
  const judged = test !== undefined ? "test" : validation !== undefined ? "validation" : undefined
  const watched = validation !== undefined ? "validation" : typeof evaluateEvery === "number" ? judged : undefined
  const rows = (split: Split | undefined, most: number) =>
    Math.min(split === undefined ? 0 : splits[split]!.rows, evaluateRows === "all" ? Infinity : (evaluateRows ?? most))
  const every = evaluateEvery ?? Math.ceil(steps / POINTS)
  return {
    judged,
    judgedRows: rows(judged, BEFORE),
    watched,
    watchedRows: rows(watched, ON_THE_WAY),
    every: watched === undefined || every === "never" ? Infinity : every
  }
}
