/** Texts with numbers and a Hugging Face encoder. */
import type { RegressionPlan } from "../../../../schemas/index.ts"
import type { Baseline, RunKind } from "../../contract/kind.ts"
import { encoderWords } from "../kind.ts"
import { exampleArgument } from "../words.ts"
import type { RegressionData, RegressionSplit } from "./data.ts"
import { describeRegression, type ResolvedRegressionPlan, resolveRegression } from "./resolve.ts"
import { regressionMetrics, regressionScores, shortNumber } from "./scores.ts"
import { detectRegression, suggestRegression } from "./suggest.ts"

export const regression: RunKind<RegressionPlan, ResolvedRegressionPlan> = {
  metrics: regressionMetrics,
  headline: ["mae", "r2"],
  baseline: (data, split) => meanBaseline(data, split),
  resolve: resolveRegression,
  describe: describeRegression,
  baseOf: (_, { folder }) => folder,
  labelsOf: () => [],
  words: {
    ...encoderWords,
    prediction: ({ label }) => label,
    rows: ({ targets }: RegressionSplit) =>
      targets
        .map(
          ({ target, mean, deviation, least, most }) =>
            `${target} ${shortNumber(least)} … ${shortNumber(most)}, mean ${shortNumber(mean)}, deviation ${shortNumber(deviation)}`
        )
        .join("; ")
  },
  suggesting: suggestRegression,
  detecting: detectRegression,
  adopting: () => import("./adopt.ts").then(({ adoptRegression }) => adoptRegression),
  next: ({ data }, run) => `predict ${run} ${exampleArgument(data)}`,
  runner: () => import("./run.ts").then(({ runRegression }) => runRegression),
  publisher: () => import("./publish.ts").then(({ publishRegression }) => publishRegression)
}

/** The mean of the training rows, given to every row of a split. */
const meanBaseline = ({ values, scaling, describe }: RegressionData, split: "validation" | "test"): Baseline | null => {
  const right = values[split]
  if (right === undefined || right.length === 0) return null
  const means = describe()[0]!.targets.map(({ mean }) => mean)
  const always = right.map((_, i) => means[i % means.length]!)
  const { mae, mse, r2, loss } = regressionScores(always, right, scaling)
  // a constant has no correlation with anything
  return {
    of: `always the mean of the training rows (${means.map(shortNumber).join(", ")})`,
    scores: { mae, mse, r2, loss }
  }
}
