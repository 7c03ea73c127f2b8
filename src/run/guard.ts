/**
 * Warnings of a run that does not learn: a training loss that has not fallen below its start, a final score no better than
 * the baseline. Each recommends a change, depending on the observation.
 */
import * as Effect from "effect/Effect"
import type { LoadedKind } from "../kinds/index.ts"
import { type Baselines, noBetterText } from "../output/outcome.ts"
import { fromOf, type ResolvedPlan } from "../plan/index.ts"
import {
  firstLook,
  lossWarning,
  type Named,
  type StepRecord,
  scoreAdvice,
  type Warning,
  warningText
} from "../training/course.ts"
import { scoreOf } from "../training/index.ts"
import { warn } from "./progress.ts"

export { stepRecordOf } from "../training/course.ts"

/**
 * Returns the plan's fields that warnings name: the learning rate, and `model.head` if it is frozen. A model's own last layer is frozen
 * unless the plan names it.
 */
const namedIn = (kind: LoadedKind, { model, trainable }: ResolvedPlan): Named => {
  const frozen = trainable.dense === 0 && kind.labelsOf(model).length > 0
  return { rate: "optimizer.learningRate", head: frozen ? "model.head" : null }
}

const watchOf = (kind: LoadedKind, resolved: ResolvedPlan, ended: boolean) => ({
  planned: resolved.steps,
  ended,
  fresh: fromOf(resolved.plan) === undefined,
  named: namedIn(kind, resolved)
})

/** Warns at most once after a third of the steps. `taken` grows with the run; steps already in it were judged before. */
export const lookAtThird = (kind: LoadedKind, resolved: ResolvedPlan, stepReports: ReadonlyArray<StepRecord>) => {
  const due = firstLook(resolved.steps)
  let isChecked = stepReports.length >= due
  return Effect.suspend(() => {
    if (isChecked || stepReports.length < due) return Effect.void
    isChecked = true
    const warning = lossWarning(stepReports, watchOf(kind, resolved, false))
    return warning === null ? Effect.void : warn(warningText(warning))
  })
}

/** Returns the baselines of the splits of a plan. */
export const baselinesOf = (kind: LoadedKind, { data }: ResolvedPlan): Baselines => {
  const of = (split: "validation" | "test") => (data.splits[split] === undefined ? null : kind.baseline(data, split))
  return { validation: of("validation"), test: of("test") }
}

interface Ended {
  readonly stepReports: ReadonlyArray<StepRecord>
  /** number of steps that the adapter was trained for */
  readonly step: number
  readonly baseline: Baselines
  readonly before: object | undefined
  /** baselines on the rows of `before` */
  readonly sameRows: object | undefined
  readonly reports: ReadonlyArray<{ readonly split: "validation" | "test" }>
}

/** Returns all warnings about a run that has ended; the same for a resumed run. */
export const warningsOf = (
  kind: LoadedKind,
  resolved: ResolvedPlan,
  { stepReports, step, baseline, before, sameRows, reports }: Ended
): ReadonlyArray<Warning> => {
  const of = (split: "validation" | "test") => reports.find((report) => report.split === split) ?? null
  const [validation, test] = [of("validation"), of("test")]
  const watch = watchOf(kind, resolved, true)
  const loss = lossWarning(stepReports, watch)
  const says = noBetterText(kind, { before: before ?? null, after: sameRows ?? null, validation, test, baseline })
  if (says === null) return loss === null ? [] : [loss]
  if (loss !== null) return [loss, { about: "score", step, says, advice: "see the warning about the training loss" }]
  const reached = scoreOf(test ?? validation ?? {}, "loss")
  return [{ about: "score", step, says, advice: scoreAdvice(stepReports, reached, watch.named) }]
}
