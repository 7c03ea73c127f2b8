/** Texts with numbers and a Hugging Face encoder. */
import * as Effect from "effect/Effect"
import { type RegressionPlan, targetsOf } from "../../../../schemas/index.ts"
import { type Choice, type Columns, choice, type Row } from "../../../suggest/index.ts"
import type { Baseline } from "../../contract/index.ts"
import { probedRows, textsOf } from "../../rows/columns.ts"
import { sampleTexts } from "../../rows/sample-texts.ts"
import { headKind } from "../kind.ts"
import { openRegression, type RegressionData, type RegressionSplit } from "./data.ts"
import { regressionMetrics, regressionScores, shortNumber } from "./scores.ts"

export const regression = headKind<RegressionPlan, RegressionData>({
  metrics: regressionMetrics,
  headline: ["mae", "r2"],
  baseline: (data, split) => meanBaseline(data, split),
  open: ({ data, seed }) => openRegression(data, seed),
  outputs: { found: ({ targets }) => targets, planned: targetsOf },
  settled: ({ scaling }) => ({ scaling }),
  classes: false,
  words: {
    prediction: ({ label }) => label,
    rows: ({ targets }: RegressionSplit) =>
      targets
        .map(
          ({ target, mean, deviation, least, most }) =>
            `${target} ${shortNumber(least)} … ${shortNumber(most)}, mean ${shortNumber(mean)}, deviation ${shortNumber(deviation)}`
        )
        .join("; ")
  },
  detecting: {
    columns: { regression: ["text", "textPair", "label", "target"] },
    rows: (_, file, columns) =>
      Effect.map(probedRows(file), (rows) => {
        const found = targetIn(rows, columns)
        if (found === null) return null
        const { label: _label, target: _target, ...texts } = columns
        return { format: "regression", choices: [...found, ...textsOf(rows, texts, targets(found))], columns: texts }
      })
  },
  adopting: {
    // what the number is standardised by is not known, so it stays as it is
    sections: ({ outputs }) =>
      outputs === 1 ? { kind: "regression", data: { scaling: { mean: [0], deviation: [1] } } } : null,
    sample: () => sampleTexts.map((text) => ({ text, target: 0 }))
  },
  runner: () => import("./run.ts").then(({ runRegression }) => runRegression),
  publisher: () => import("./publish.ts").then(({ publishRegression }) => publishRegression)
})

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

const targets = (found: ReadonlyArray<Choice>): ReadonlyArray<string> =>
  found.flatMap(({ path, value }) => (path === "data.target" ? [value].flat().map(String) : []))

/** Columns of numbers as data sets call them. */
const usual = ["target", "score", "rating", "stars", "value", "similarity_score", "label"]

const numberIn = (value: unknown): number =>
  typeof value === "number" ? value : typeof value === "string" && value.trim() !== "" ? Number(value) : Number.NaN

// Fewer different numbers are as likely the names of classes: fewer whole ones, and fewer of which some have a fraction.
const MANY = { whole: 20, broken: 5 } as const

/** The columns of numbers that are learned; null where rows have none that is clearly one. */
const targetIn = (rows: ReadonlyArray<Row>, { target, label }: Columns): ReadonlyArray<Choice> | null => {
  if (target !== undefined) {
    const names = target.split(",").map((name) => name.trim())
    const value = names.length === 1 ? names[0]! : names
    return [
      choice("data.format", "regression", "a column of numbers was named"),
      {
        path: "data.target",
        value,
        reason: names.length === 1 ? "the column that was named" : "the columns that were named"
      }
    ]
  }
  const name = label ?? usual.find((one) => rows.some((row) => Object.hasOwn(row, one)))
  const numbers = name === undefined ? [] : rows.map((row) => numberIn(row[name]))
  const different = new Set(numbers).size
  const broken = numbers.some((number) => !Number.isInteger(number))
  if (name === undefined || numbers.some(Number.isNaN) || different < (broken ? MANY.broken : MANY.whole)) return null
  const reason = `the column "${name}" has ${different} different numbers in the first ${rows.length} rows${broken ? ", not all of them whole" : ""}: it is learned as a number, not as a class`
  return [choice("data.format", "regression", reason), choice("data.target", name, "the column of the numbers")]
}
