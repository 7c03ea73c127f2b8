/** What methods are compared by: the first metric that the plan's kind of run speaks of, and how its values and differences are written. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { RunPlan } from "../../schemas/index.ts"
import { kindOf } from "../kinds/index.ts"

export const Measure = Schema.Struct({
  /** in an evaluation */
  name: Schema.String,
  label: Schema.String,
  /** "%" for shares, which are shown times 100 and differ by points */
  unit: Schema.String,
  better: Schema.Literals(["higher", "lower"]),
  /** what else is measured, besides the loss */
  others: Schema.Array(Schema.Struct({ name: Schema.String, label: Schema.String, unit: Schema.String }))
})
export type Measure = typeof Measure.Type

export const measureOf = (plan: RunPlan): Effect.Effect<Measure> =>
  Effect.map(kindOf(plan), ({ metrics, headline: [name] }) => {
    const { label, unit, better } = metrics[name]!
    const others = Object.entries(metrics)
      .filter(([other]) => other !== name && other !== "loss")
      .map(([other, own]) => ({ name: other, label: own.label, unit: own.unit }))
    return { name, label, unit, better: better ?? "higher", others }
  })

type Unit = Pick<Measure, "unit">

const isShare = ({ unit }: Unit): boolean => unit === "%"

/** The largest value that there can be. */
export const mostOf = (measure: Unit): number => (isShare(measure) ? 1 : Number.POSITIVE_INFINITY)

/** As charts draw it. */
export const drawn = (measure: Measure, value: number): number => (isShare(measure) ? 100 * value : value)

/** "87.3", under a head that says the unit. */
export const bare = (measure: Measure, value: number): string =>
  isShare(measure) ? (100 * value).toFixed(1) : value.toFixed(3)

/** "87.3 %" */
export const shown = (measure: Measure, value: number | null | undefined): string =>
  value === null || value === undefined ? "–" : isShare(measure) ? `${bare(measure, value)} %` : bare(measure, value)

/** ", %" */
export const inUnit = (measure: Measure): string => (isShare(measure) ? ", %" : "")

/** A difference without its sign; of shares in points, with a second decimal where the first says nothing. */
export const sizeOf = (measure: Measure, difference: number): string => {
  const value = drawn(measure, Math.abs(difference))
  if (value === 0) return "0"
  return isShare(measure) ? value.toFixed(value < 0.05 ? 2 : 1) : value.toFixed(3)
}

/** The same with its sign. */
export const signed = (measure: Measure, difference: number): string =>
  difference === 0 ? "0" : `${difference < 0 ? "−" : "+"}${sizeOf(measure, difference)}`

/** " points", after a difference of shares. */
export const inPoints = (measure: Measure): string => (isShare(measure) ? " points" : "")

/** Whether a difference is one for the better. */
export const isBetter = ({ better }: Measure, difference: number): boolean =>
  better === "higher" ? difference > 0 : difference < 0
