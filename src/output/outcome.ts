/** How a run ended, beside its numbers: why it stopped early, and which of its states the adapter is. */
import { type Metrics, written } from "../training/index.ts"

/** A metric of the validation split at a step. */
interface Watched {
  readonly step: number
  readonly metric: string
  readonly value: number | null
}

/** The last gain (step 0: there was none), and the evaluations since then that were none. */
export interface Stopped extends Watched {
  readonly evaluations: number
}

/** The best evaluated step, among the rows that were looked at on the way. */
export interface Kept extends Watched {
  readonly rows: number
}

/** "stopped after step 48 of 80: validation loss was last better at step 24 (0.281), 3 evaluations ago" */
export const stoppedText = (
  metrics: Metrics,
  { metric: name, step, value, evaluations }: Stopped,
  { steps, planned = steps }: { readonly steps: number; readonly planned?: number }
): string => {
  const metric = metrics[name]
  const shown = metric === undefined ? "" : ` (${written(metric, value)})`
  const since = step === 0 ? "was never a number" : `was last better at step ${step}${shown}`
  const ago = `${evaluations} evaluation${evaluations === 1 ? "" : "s"} ago`
  return `stopped after step ${steps} of ${planned}: validation ${metric?.label ?? name} ${since}, ${ago}`
}

/** "the best state, of step 64 of 80 (validation loss 0.247)" */
export const keptText = (
  metrics: Metrics,
  { step, metric: name, value }: Omit<Kept, "rows">,
  { steps }: { readonly steps: number }
): string => {
  const metric = metrics[name]
  const shown = metric === undefined ? "" : ` (validation ${metric.label} ${written(metric, value)})`
  return step === steps
    ? `the last state, which is the best${shown}`
    : `the best state, of step ${step} of ${steps}${shown}`
}
