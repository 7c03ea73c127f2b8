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

/** Schema of `model.task` for numbers predicted from a text: a linear head on the pooled hidden state. */
export const RegressionTask = headTask("regression", "One number per target.", "Regression")

const RegressionModel = encoderSection(RegressionTask.pipe(withDefault({ kind: "regression" })), headOfTask)

const Scaling = Schema.Struct({
  mean: listOf(
    1,
    Schema.Finite.annotate({ expected: "a number" }),
    "a list of numbers",
    "Mean per target; subtracted."
  ),
  deviation: listOf(
    1,
    positive("Divisor of a target."),
    "a list of numbers",
    "Standard deviation per target; divided by."
  )
}).annotate({
  title: "Scaling",
  description:
    "Standardization of the targets for training: (value − mean) / deviation. Default: mean and standard deviation of the training rows. Metrics and predictions are in the units of the data."
})

/** Schema of `data` with `format: "regression"`: rows with a text and one or more numbers. */
export const RegressionSection = Schema.Struct({
  format: Schema.Literal("regression").annotate({ description: "Rows with a text and one or more numbers." }),
  ...splits,
  ...texts,
  target: Schema.Union([column("Column with the number."), columnList("A column of numbers.", "Columns of numbers.")])
    .annotate({
      expected: `a column name, or ${columnsExpected}`,
      description: "Column with the number to predict, or several such columns."
    })
    .pipe(withDefault("target")),
  scaling: Schema.optionalKey(Scaling),
  ...textLengths
}).annotate({ title: "Regression data", description: "Texts with numbers, and how to batch them." })
export type RegressionSection = typeof RegressionSection.Type

/** Schema of plans for a Hugging Face encoder that predicts numbers. */
export const RegressionPlan = planOf(
  RegressionModel,
  RegressionSection,
  "RegressionPlan",
  "A training run over texts with numbers."
)
export type RegressionPlan = typeof RegressionPlan.Type

/** Returns the target columns in order. */
export const targetsOf = ({ target }: Pick<RegressionSection, "target">): ReadonlyArray<string> =>
  typeof target === "string" ? [target] : target

const oneScaleATarget: Rule<RegressionPlan> = rule("one-scale-a-target", "data.scaling", ({ data }) => {
  const { length } = targetsOf(data)
  const { mean, deviation } = data.scaling ?? {}
  return mean === undefined || deviation === undefined || (mean.length === length && deviation.length === length)
    ? undefined
    : `found ${mean.length} means and ${deviation.length} deviations for ${length} ${length === 1 ? "target" : "targets"}; expected one of each per target, or no scaling`
})

export const regressionPlans: PlanKind<"regression", RegressionPlan, typeof RegressionPlan> = {
  formats: { regression: RegressionPlan },
  rules: [...headRules, oneScaleATarget]
}
