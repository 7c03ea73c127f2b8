/** What is wrong with `training.stopEarly.metric`. Which metrics there are is the kind's to say, not the schema's. */
import { closest, showValue } from "../../schemas/index.ts"
import type { RunKind } from "./contract/index.ts"

export const metricProblems = ({ metrics }: RunKind, metric: string): ReadonlyArray<string> => {
  const names = Object.keys(metrics).filter((name) => metrics[name]!.better !== null)
  if (names.includes(metric)) return []
  const near = closest(metric, names)
  const hint = near === undefined ? "" : `; did you mean "${near}"?`
  const expected = names.map((one) => `"${one}"`).join(", ")
  return [`training.stopEarly.metric: found ${showValue(metric)}; expected one of ${expected}${hint}`]
}
