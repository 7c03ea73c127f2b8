/**
 * Texts with numbers, for a Hugging Face encoder.
 *
 *   "model": { "source": "../models/minilm", "task": { "kind": "regression", "pooling": "mean" } }
 *   "data": { "format": "regression", "train": "reviews.csv", "validation": 0.1, "text": "review", "target": "stars", "maxLength": 64 }
 *   "data": { "format": "regression", "train": "words.jsonl", "target": ["valence", "arousal"] }
 */
import * as Schema from "effect/Schema"
import { listOf, positive, withDefault } from "../fields.ts"
import { type Rule, rule } from "../problems.ts"
import { encoderSection, headOfTask, headRules, headTask, textLengths, texts } from "./encoder.ts"
import { column, columnList, columnsExpected, type PlanKind, planOf, splits } from "./plan.ts"

/** Numbers of a text: a pooled hidden state and a linear head. */
export const RegressionTask = headTask("regression", "One number per target.", "Regression")

const RegressionModel = encoderSection(RegressionTask.pipe(withDefault({ kind: "regression" })), headOfTask)

const Scaling = Schema.Struct({
  mean: listOf(1, Schema.Finite.annotate({ expected: "a number" }), "a list of numbers", "Subtracted, one a target."),
  deviation: listOf(1, positive("What a target is divided by."), "a list of numbers", "Divided by, one a target.")
}).annotate({
  title: "Scaling",
  description:
    "How targets are standardised for training: (value − mean) / deviation. Absent: mean and standard deviation of the training rows. Everything that is reported is in the data's units."
})

/** Schema of `data` with `format: "regression"`: a text and one number or several. */
export const RegressionSection = Schema.Struct({
  format: Schema.Literal("regression").annotate({ description: "Rows of a text and one number or several." }),
  ...splits,
  ...texts,
  target: Schema.Union([
    column("Column that holds the number."),
    columnList("A column of numbers.", "Columns of numbers.")
  ])
    .annotate({
      expected: `the name of a column, or ${columnsExpected}`,
      description: "Column that holds the number that is learned, or several such columns."
    })
    .pipe(withDefault("target")),
  scaling: Schema.optionalKey(Scaling),
  ...textLengths
}).annotate({ title: "Regression data", description: "Rows of text with numbers, and how they become batches." })
export type RegressionSection = typeof RegressionSection.Type

/** A Hugging Face encoder that tells numbers. */
export const RegressionPlan = planOf(
  RegressionModel,
  RegressionSection,
  "RegressionPlan",
  "A training run over texts with numbers."
)
export type RegressionPlan = typeof RegressionPlan.Type

/** The columns of the targets, in their order. */
export const targetsOf = ({ target }: Pick<RegressionSection, "target">): ReadonlyArray<string> =>
  typeof target === "string" ? [target] : target

const oneScaleATarget: Rule<RegressionPlan> = rule("one-scale-a-target", "data.scaling", ({ data }) => {
  const { length } = targetsOf(data)
  const { mean, deviation } = data.scaling ?? {}
  return mean === undefined || deviation === undefined || (mean.length === length && deviation.length === length)
    ? undefined
    : `found ${mean.length} means and ${deviation.length} deviations for ${length} ${length === 1 ? "target" : "targets"}; expected one of each a target, or no scaling`
})

export const regressionPlans: PlanKind<"regression", RegressionPlan, typeof RegressionPlan> = {
  formats: { regression: RegressionPlan },
  rules: [...headRules, oneScaleATarget]
}
