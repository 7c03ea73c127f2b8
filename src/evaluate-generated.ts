/** A trained run of a language model, asked: what it writes to the rows of its splits, or of another file, and how much of it is right. */
import * as Effect from "effect/Effect"
import type { Adapted } from "../adapters/index.ts"
import type { CausalPlan } from "../schemas/index.ts"
import { ofDevice } from "./device/device.ts"
import { type GeneratedScoreOptions, type GeneratedScores, generatedScores } from "./generated-score.ts"
import type { CausalModel } from "./models/causal/index.ts"
import { Progress } from "./progress.ts"
import { causalLanguage } from "./tasks/causal-language.ts"

export interface GeneratedReport extends GeneratedScores {
  readonly split: "validation" | "test"
}

export interface EvaluateGeneratedOptions<E, R> extends Omit<GeneratedScoreOptions<E, R>, "done"> {
  /** a file with the plan's columns, in the place of its splits; its report is called "test" */
  readonly file?: string | undefined
}

/** `run`: as `loadCausalRun` gives it. One report per split. */
export const evaluateGenerated = <E = never, R = never>(
  { plan, adapted }: { readonly plan: CausalPlan; readonly adapted: Adapted<CausalModel> },
  { file, ...options }: EvaluateGeneratedOptions<E, R> = {}
) =>
  Effect.gen(function* () {
    const tell = yield* Progress
    const splits = yield* causalLanguage.splits(adapted, plan, file)
    const wanted = file === undefined ? { validation: splits.validation, test: splits.test } : { test: splits.train }
    const reports: Array<GeneratedReport> = []
    for (const split of ["validation", "test"] as const) {
      const source = wanted[split as "test"]
      if (source === undefined) continue
      const of = Math.min(source.rows, options.rows ?? source.rows)
      const done = (rows: number) => tell({ kind: "evaluating", split, rows, of })
      reports.push({ split, ...(yield* generatedScores(adapted, source, { ...options, done })) })
    }
    return reports
  }).pipe(ofDevice)
