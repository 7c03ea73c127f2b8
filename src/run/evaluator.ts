/**
 * Schedules the evaluations of a run: part of a split during training, every split at the end; each result is a line of the metrics.
 */
import * as Effect from "effect/Effect"
import type { Adapted } from "../../adapters/index.ts"
import type { RunPlan } from "../../schemas/index.ts"
import { Device } from "../device/device.ts"
import type { LoadedKind } from "../kinds/index.ts"
import type { Network } from "../models/index.ts"
import type { EvaluationReport, Run } from "../output/index.ts"
import { evaluationsOf, type ResolvedPlan, type SplitSource } from "../plan/index.ts"
import { type Mistakes, type RowScores, scoresText } from "../training/index.ts"
import { Progress } from "./progress.ts"
import { standingOf, watchOf } from "./standing.ts"

type Split = EvaluationReport["split"]

// Enough to see a pattern, few enough to read.
const MISTAKES = 20

export interface SplitEvaluation {
  readonly kind: LoadedKind
  readonly adapted: Adapted<Network>
  readonly plan: RunPlan
  readonly split: Split
  readonly source: SplitSource
  /** name of the rows in messages, if they come from a file instead of a split of the plan */
  readonly called?: string | undefined
  /** number of steps taken before the evaluation */
  readonly step: number
  /** number of rows, from the first; default: all */
  readonly rows?: number | undefined
  /** collects misclassified rows */
  readonly mistakes?: Mistakes | undefined
  /** called with each metric as a function of the rows */
  readonly scored?: ((scores: RowScores) => void) | undefined
}

const evaluated = ({ kind, adapted, plan, source, ...splitOptions }: Omit<SplitEvaluation, "step">) =>
  Effect.gen(function* () {
    const tell = yield* Progress
    const { sync } = yield* Device
    const { split, called = split, mistakes, scored } = splitOptions
    const of = Math.min(source.rows, splitOptions.rows ?? source.rows)
    const done = (count: number) => tell({ kind: "evaluating", split: called, rows: count, of })
    yield* done(0)
    const result = yield* kind.evaluate(adapted, plan, source, { rows: of, mistakes, scored, done })
    yield* sync
    return result
  })

/** Evaluates one split and reports the result to the listener. */
export const evaluateSplit = ({ step, ...evaluation }: SplitEvaluation) =>
  Effect.gen(function* () {
    const { kind, split, called } = evaluation
    const tell = yield* Progress
    const report: EvaluationReport = { kind: "evaluation", step, split, ...(yield* evaluated(evaluation)) }
    const scores = scoresText(kind.metrics, report)
    yield* Effect.annotateCurrentSpan({ scores })
    yield* tell({ ...report, scores, ...(called === undefined ? {} : { called }) })
    return report
  }).pipe(Effect.withSpan("evaluate", { attributes: { split: evaluation.split, step } }))

/** Settings of a run's evaluations, and the outputs for their results. */
export type Evaluated = Pick<Run, "append" | "history" | "checkpoint">

/** Creates the evaluations of a run. */
export const evaluatorOf = (kind: LoadedKind, adapted: Adapted<Network>, resolved: ResolvedPlan, run: Evaluated) => {
  const { plan, data, steps } = resolved
  const { splits } = data
  const { judged, judgedRows, watched, watchedRows, every } = evaluationsOf(plan, splits, steps)
  const existing = (["validation", "test"] as const).filter((split) => splits[split] !== undefined)
  const allReports: Array<EvaluationReport> = run.history.filter((row) => row.kind === "evaluation")
  const findReport = (split: Split, step: number, rows: number) =>
    allReports.find((row) => row.split === split && row.step === step && row.rows === rows)
  type Noted = Pick<SplitEvaluation, "mistakes" | "scored">
  const reported = (split: Split, step: number, rows: number, noted: Noted = {}) =>
    Effect.gen(function* () {
      const before = findReport(split, step, rows)
      if (before !== undefined && noted.mistakes === undefined) return before
      const report = yield* evaluateSplit({ kind, adapted, plan, split, source: splits[split]!, step, rows, ...noted })
      if (before !== undefined) return report
      allReports.push(report)
      yield* run.append(report)
      return report
    })
  // evaluations during training before this process resumed the run, in the order of their steps
  const duringTraining = allReports
    .filter(({ split, step, rows }) => split === watched && step > 0 && rows === watchedRows)
    .sort((a, b) => a.step - b.step)
  const standing = standingOf(watchOf(plan, kind), duringTraining)
  /** Row scores of the best and the newest evaluation by step, if this process made them. */
  const scores = new Map<number, RowScores>()
  const scored = (step: number) =>
    plan.output.keep === "auto" ? { scored: (ofRows: RowScores) => void scores.set(step, ofRows) } : {}
  return {
    standing,
    /** Returns whether the row scores of an evaluation are known. */
    isKnown: (step: number) => scores.has(step),
    /** Returns each metric as a function of the rows, for the state after a step, which must be in place if they are not known. */
    rowScores: (step: number) =>
      Effect.gen(function* () {
        if (!scores.has(step)) {
          const [split, rows] = [watched!, watchedRows]
          yield* evaluated({ kind, adapted, plan, split, source: splits[split]!, rows, ...scored(step) })
        }
        return scores.get(step) ?? {}
      }),
    /** Evaluates the split that judges the run before the first step. Does nothing without such a split. */
    before: Effect.suspend(() => {
      if (judged === undefined) return Effect.succeed(undefined)
      const first = allReports.find(({ split, step }) => split === judged && step === 0)
      return first !== undefined || run.checkpoint !== null ? Effect.succeed(first) : reported(judged, 0, judgedRows)
    }),
    /** Evaluates if an evaluation is due; a resumed run may have it already. */
    during: (step: number) =>
      Effect.gen(function* () {
        if (watched === undefined || step === 0 || step >= steps || step % every !== 0) return
        standing.add(yield* reported(watched, step, watchedRows, scored(step)))
        const best = standing.now().best?.step
        for (const at of scores.keys()) if (at !== step && at !== best) scores.delete(at)
      }),
    /** Returns the evaluation of the last step, to compare with earlier ones; undefined without earlier ones or without validation rows. */
    last: (step: number) =>
      watched === "validation" && every < steps
        ? reported(watched, step, watchedRows, scored(step))
        : Effect.succeed(undefined),
    /**
     * Evaluates every split in full, collects the errors of the last split, and evaluates the rows of the evaluation before training once
     * more.
     */
    after: (before: EvaluationReport | undefined, step: number) =>
      Effect.gen(function* () {
        if (kind.settle !== undefined) {
          yield* kind.settle(adapted, resolved)
          // evaluations of this step were made before the settings changed
          allReports.splice(0, allReports.length, ...allReports.filter((report) => report.step !== step))
        }
        const last = existing.at(-1)
        const mistakes = last === undefined ? undefined : kind.keepMistakes?.(splits[last]!, MISTAKES)
        const first =
          before === undefined || before.rows === splits[before.split]!.rows
            ? undefined
            : yield* reported(before.split, step, before.rows)
        const reports = yield* Effect.forEach(existing, (split) =>
          reported(split, step, splits[split]!.rows, split === last ? { mistakes: mistakes } : {})
        )
        const sameRows = first ?? reports.find(({ split }) => split === before?.split)
        return { reports, sameRows, mistakes: mistakes === undefined ? [] : yield* mistakes.read }
      })
  }
}
