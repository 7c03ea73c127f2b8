/**
 * The verdict of a study: `compare.json`, `compare.md` and `compare.html` in its folder, and the rates that its sweep picks.
 *
 * Written from the results and the runs' metrics alone, so they can be written at any time, also while runs are missing, and again.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { type FileError, writeFileAtomic } from "../../files/index.ts"
import { measureOf } from "../measure.ts"
import { type ComparedMethod, comparedMethods } from "../methods.ts"
import type { Study, TrialResult } from "../study.ts"
import { readCurves } from "./curves.ts"
import { judge, named } from "./judge.ts"
import { cellsOf, markdownOf } from "./markdown.ts"
import { comparePage } from "./page/page.ts"
import { type Intervals, intervalsOf } from "./page/quality.ts"
import { coverage, leadOf } from "./sentences.ts"
import { type Verdict, verdictJson } from "./verdict.ts"

export { bestRates } from "./best-rates.ts"
export { judge } from "./judge.ts"
export { markdownOf } from "./markdown.ts"
export type { Intervals } from "./page/quality.ts"
export { Verdict, verdictJson } from "./verdict.ts"

/** Returns a method's label in tables; for unknown methods its name. */
export const labelOf = (method: string): string => {
  const methods: Readonly<Record<string, ComparedMethod>> = comparedMethods
  return Object.hasOwn(methods, method) ? methods[method]!.label : method
}

/** A verdict as texts: its sentences, and the table that they summarize. */
export interface VerdictTexts {
  readonly sentences: ReadonlyArray<string>
  /** intervals that the sentences are based on; null if no run finished */
  readonly intervals: Intervals | null
  readonly columns: ReadonlyArray<string>
  readonly rows: ReadonlyArray<ReadonlyArray<string>>
}

/** Returns the verdict on the results of a study as sentences and a table. */
export const verdictTexts = (study: Study, results: ReadonlyArray<TrialResult>): Effect.Effect<VerdictTexts> =>
  Effect.map(measureOf(study.plan), (measure) => {
    const verdict = judge(study, results, labelOf, measure)
    const table = verdict.final ?? verdict.common
    return {
      intervals: table && intervalsOf(measure, table),
      sentences: [leadOf(verdict), ...(table === null ? [] : [coverage(table, verdict)]), ...verdict.warnings],
      ...(table === null ? { columns: [], rows: [] } : cellsOf(measure, table))
    }
  })

/**
 * Writes the three files and returns their sentences. `folder`: the study's, which the directories of results are relative to. Fails if a
 * file cannot be read or written.
 */
export const writeVerdict = (
  study: Study,
  results: ReadonlyArray<TrialResult>,
  folder: string
): Effect.Effect<Verdict, FileError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const verdict = judge(study, results, labelOf, yield* measureOf(study.plan))
    const curves = yield* readCurves(study, results, folder)
    const page = comparePage(verdict, curves, (method, rank) => named(labelOf(method), rank, study))
    yield* writeFileAtomic(path.join(folder, "compare.json"), `${JSON.stringify(verdictJson(verdict), null, 2)}\n`)
    yield* writeFileAtomic(path.join(folder, "compare.md"), markdownOf(verdict))
    yield* writeFileAtomic(path.join(folder, "compare.html"), page)
    return verdict
  })
