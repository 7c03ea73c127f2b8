/** Texts with numbers: which columns hold them, and the plan for them. */
import * as Effect from "effect/Effect"
import { type Choice, type Columns, choice, type Detecting, type Row, type Suggesting } from "../../../suggest/index.ts"
import { probedRows, textsOf } from "../../rows/columns.ts"
import { headSuggesting, isEncoder } from "../suggest.ts"
import type { ResolvedRegressionPlan } from "./resolve.ts"

export const suggestRegression: Suggesting<ResolvedRegressionPlan> = headSuggesting(() => null)

export const detectRegression: Detecting = {
  columns: { regression: ["text", "textPair", "label", "target"] },
  takes: isEncoder,
  rows: (_, file, columns) =>
    Effect.map(probedRows(file), (rows) => {
      const found = targetIn(rows, columns)
      if (found === null) return null
      const { label: _label, target: _target, ...texts } = columns
      return { format: "regression", choices: [...found, ...textsOf(rows, texts, targets(found))], columns: texts }
    })
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
