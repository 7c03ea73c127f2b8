/** Text regression with a Hugging Face encoder: plans. */
import { type RegressionPlan, targetsOf } from "../../../../schemas/index.ts"
import type { Baseline } from "../../contract/index.ts"
import { sampleTexts } from "../../rows/sample-texts.ts"
import { detectNumbers } from "../detect.ts"
import { headKind } from "../kind.ts"
import { openRegression, type RegressionData, type RegressionSplit } from "./data.ts"
import { regressionMetrics, regressionScores, targetText } from "./scores.ts"

export const regression = headKind<RegressionPlan, RegressionData>({
  metrics: regressionMetrics,
  headline: ["mae", "r2"],
  baseline: (data, split) => meanBaseline(data, split),
  open: ({ data, seed }) => openRegression(data, seed),
  outputs: { fromRows: ({ targets }) => targets, planned: targetsOf },
  settled: ({ scaling }) => ({ scaling }),
  classes: false,
  words: {
    prediction: ({ label }) => label,
    rows: ({ targets }: RegressionSplit) =>
      targets
        .map(
          ({ target, mean, deviation, least, most }) =>
            `${target} ${targetText(least)} … ${targetText(most)}, mean ${targetText(mean)}, deviation ${targetText(deviation)}`
        )
        .join("; ")
  },
  detecting: detectNumbers,
  adopting: {
    // the scaling of the target is unknown, so outputs stay unscaled
    sections: ({ outputs }) =>
      outputs === 1 ? { kind: "regression", data: { scaling: { mean: [0], deviation: [1] } } } : null,
    sample: () => sampleTexts.map((text) => ({ text, target: 0 }))
  },
  runner: () => import("./run.ts").then(({ runRegression }) => runRegression),
  publisher: () => import("./publish.ts").then(({ publishRegression }) => publishRegression)
})

/** Returns the baseline: the mean of the training rows for every row of a split. */
const meanBaseline = ({ values, scaling, describe }: RegressionData, split: "validation" | "test"): Baseline | null => {
  const right = values[split]
  if (right === undefined || right.length === 0) return null
  const means = describe()[0]!.targets.map(({ mean }) => mean)
  const always = right.map((_, i) => means[i % means.length]!)
  const { mae, mse, r2, loss } = regressionScores(always, right, scaling)
  // correlations with a constant are undefined
  return {
    of: `always the mean of the training rows (${means.map(targetText).join(", ")})`,
    scores: { mae, mse, r2, loss }
  }
}
