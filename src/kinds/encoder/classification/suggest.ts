/** Labelled texts: which columns hold them, and the plan for them. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { dataError } from "../../../data/index.ts"
import { describe } from "../../../models/index.ts"
import { ResolveError } from "../../../plan/index.ts"
import type { Detecting, Suggesting } from "../../../suggest/index.ts"
import { probedRows } from "../../rows/columns.ts"
import { headSuggesting, isEncoder } from "../suggest.ts"
import { labelledColumns } from "./columns.ts"
import type { ResolvedClassificationPlan } from "./resolve.ts"

export const suggestClassification: Suggesting<ResolvedClassificationPlan> = headSuggesting(
  ({ labels }) => labels.length
)

export const detectClassification: Detecting = {
  columns: { classification: ["text", "textPair", "label"] },
  takes: isEncoder,
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
}
