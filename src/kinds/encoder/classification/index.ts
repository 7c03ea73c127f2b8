/** Labelled texts and a Hugging Face encoder. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { ClassificationPlan } from "../../../../schemas/index.ts"
import { cut } from "../../../boundary/index.ts"
import { type ClassificationData, dataError, openClassification } from "../../../data/index.ts"
import { describe } from "../../../models/index.ts"
import { ResolveError } from "../../../plan/index.ts"
import { type Choice, type Columns, NAMED, type Row } from "../../../suggest/index.ts"
import { classFacts, classWords, withKnownWeights } from "../../rows/classes.ts"
import { labelOf, pairOf, probedRows, textOf } from "../../rows/columns.ts"
import { sampleTexts } from "../../rows/sample-texts.ts"
import { headKind } from "../kind.ts"

export const classification = headKind<ClassificationPlan, ClassificationData>({
  ...classFacts,
  open: (plan) => openClassification(plan.data, plan.seed).pipe(withKnownWeights(plan)),
  outputs: { found: ({ labels }) => labels, planned: ({ labels }) => labels },
  settled: ({ labels }) => ({ labels: [...labels] }),
  classes: true,
  words: classWords,
  detecting: {
    columns: { classification: ["text", "textPair", "label"] },
    rows: (source, file, columns) =>
      Effect.gen(function* () {
        const choices = labelledColumns(yield* probedRows(file), columns)
        if (typeof choices !== "string") return { format: "classification", choices }
        // of the model as well, so that all problems are reported at once
        const head = { pooling: "mean", headInit: "normal", labels: ["a", "b"] } as const
        const model = yield* Effect.result(describe(source, head))
        const problem = dataError(file, choices)
        if (Result.isSuccess(model)) return yield* problem
        return yield* new ResolveError({ name: file, problems: [model.failure.message, problem.message] })
      })
  },
  adopting: {
    sections: ({ task, labels, outputs }, evaluated) => {
      // classes without names are numbers in rows
      const numbered = Array.from({ length: outputs }, (_, i) => (evaluated ? `${i}` : `LABEL_${i}`))
      const own = task.headInit === "checkpoint" && !evaluated ? {} : { labels: labels ?? numbered }
      return { kind: "classification", data: own }
    },
    sample: ([label = ""]) => sampleTexts.map((text) => ({ text, label }))
  },
  runner: () => import("./run.ts").then(({ runClassification }) => runClassification),
  publisher: () => import("./publish.ts").then(({ publishClassification }) => publishClassification)
})

/**
 * Values of a plan for the columns that no one named and that are not called as a plan calls them by default; or what was found and
 * what to name. The label first: a column of a usual name, or the only one that has few values; then the text: one of a usual name, or
 * the only one, or the one that is more than twice as long as any other.
 */
export const labelledColumns = (rows: ReadonlyArray<Row>, columns: Columns): ReadonlyArray<Choice> | string => {
  if (rows.length === 0) return [] // what cannot be read is reported when it is opened
  const pair = pairOf(rows, columns)
  const beside = pair.length === 0 ? undefined : chosen(rows, columns, pair)
  const found = Array.isArray(beside) ? beside : chosen(rows, columns, [])
  if (typeof found !== "string") return found
  const all = Object.keys(rows[0]!)
    .slice(0, NAMED)
    .map((name) => cut(name))
  return `${found} (found: ${all.join(", ")})`
}

const chosen = (
  rows: ReadonlyArray<Row>,
  columns: Columns,
  pair: ReadonlyArray<Choice>
): ReadonlyArray<Choice> | string => {
  const taken = [...Object.values(columns), ...pair.map(({ value }) => value)]
  const free = Object.keys(rows[0]!).filter((name) => !taken.includes(name))
  const label = columns.label === undefined ? labelOf(rows, free) : null
  const others = free.filter((name) => name !== label?.value)
  const text = columns.text === undefined && pair.length === 0 ? textOf(rows, others) : null
  const missing = [...(text === undefined ? ["text"] : []), ...(label === undefined ? ["label"] : [])]
  if (missing.length > 0) {
    const flags = missing.map((name) => `--${name}`).join(" and ")
    return `which column holds the ${missing.join(" and which the ")} cannot be recognised from the first ${rows.length} rows: name it with ${flags}`
  }
  // the names that a plan has by itself need no word
  const said = [...(text ? [text] : []), ...(label ? [label] : [])].filter(
    ({ path, value }) => path !== `data.${value}`
  )
  return [...pair, ...said]
}
