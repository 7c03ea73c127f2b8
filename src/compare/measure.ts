/** The metric that methods are compared by, the first headline metric of the plan's kind of run, and the format of its values and differences. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { RunPlan } from "../../schemas/index.ts"
import { percent, score } from "../boundary/index.ts"
import { kindOf } from "../kinds/index.ts"

export const Measure = Schema.Struct({
  /** name of the metric in an evaluation */
  name: Schema.String,
  label: Schema.String,
  /** unit; "%" for shares, which are displayed times 100 and whose differences are in points */
  unit: Schema.String,
  better: Schema.Literals(["higher", "lower"]),
  /** other metrics of the plan's kind of run, except the loss */
  others: Schema.Array(Schema.Struct({ name: Schema.String, label: Schema.String, unit: Schema.String }))
})
export type Measure = typeof Measure.Type

export const measureOf = (plan: RunPlan): Effect.Effect<Measure> =>
  Effect.map(kindOf(plan), ({ metrics, headline: [name] }) => {
    const { label, unit, better } = metrics[name]!
    const otherMetrics = Object.entries(metrics)
      .filter(([metric]) => metric !== name && metric !== "loss")
      .map(([metric, description]) => ({ name: metric, label: description.label, unit: description.unit }))
    return { name, label, unit, better: better ?? "higher", others: otherMetrics }
  })

type Unit = Pick<Measure, "unit">

const isShare = ({ unit }: Unit): boolean => unit === "%"

/** Returns the largest possible value of a metric: 1 for shares, else infinity. */
export const mostOf = (measure: Unit): number => (isShare(measure) ? 1 : Number.POSITIVE_INFINITY)

/** Converts a value to the scale of charts: shares times 100. */
export const drawn = (measure: Measure, value: number): number => (isShare(measure) ? 100 * value : value)

/** Formats a value without its unit: "87.3". */
export const bare = (measure: Measure, value: number): string =>
  isShare(measure) ? (100 * value).toFixed(1) : score(value)

/** Formats a value with its unit: "87.3 %". */
export const formatValue = (measure: Unit, value: number | null | undefined): string =>
  isShare(measure) ? percent(value) : score(value)

/** Returns the unit for headings: ", %" for shares, else an empty string. */
export const inUnit = (measure: Measure): string => (isShare(measure) ? ", %" : "")

/** Formats a difference without its sign; of shares in points with one decimal, or two below 0.05. */
export const sizeOf = (measure: Measure, difference: number): string => {
  const value = drawn(measure, Math.abs(difference))
  if (value === 0) return "0"
  return isShare(measure) ? value.toFixed(value < 0.05 ? 2 : 1) : score(value)
}

/** Formats a difference with its sign. */
export const signed = (measure: Measure, difference: number): string =>
  difference === 0 ? "0" : `${difference < 0 ? "−" : "+"}${sizeOf(measure, difference)}`

/** Returns the unit of a difference: " points" for shares, else an empty string. */
export const inPoints = (measure: Measure): string => (isShare(measure) ? " points" : "")

/** Returns whether a difference is an improvement. */
export const isBetter = ({ better }: Measure, difference: number): boolean =>
  better === "higher" ? difference > 0 : difference < 0
