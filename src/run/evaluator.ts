/**
 * Which split is evaluated when: a part of one while training, every split at the end; each result a line of the metrics.
 */
import * as Effect from "effect/Effect"
import type { Adapted } from "../../adapters/index.ts"
import type { RunPlan } from "../../schemas/index.ts"
import { Device } from "../device/device.ts"
import type { LoadedKind } from "../kinds/index.ts"
import type { Network } from "../models/index.ts"
import type { EvaluationReport, Run } from "../output/index.ts"
import { evaluationsOf, type ResolvedPlan, type SplitSource } from "../plan/index.ts"
import { type Mistakes, scoresText } from "../training/index.ts"
import { Progress } from "./progress.ts"

type Split = EvaluationReport["split"]

// Enough to see a pattern, few enough to read.
const MISTAKES = 20

export interface SplitEvaluation {
  readonly kind: LoadedKind
  readonly adapted: Adapted<Network>
  readonly plan: RunPlan
  readonly split: Split
  readonly source: SplitSource
  /** what the rows are called in messages, where they are those of a file that is no split of the plan */
  readonly called?: string | undefined
  /** steps taken before it */
  readonly step: number
  /** the first rows, this many; all unless given */
  readonly rows?: number | undefined
  /** where the rows that come out wrong are kept */
  readonly mistakes?: Mistakes | undefined
}

/** Evaluates one split and reports it to the listener. */
export const evaluateSplit = ({ kind, adapted, plan, split, source, called, step, rows, mistakes }: SplitEvaluation) =>
  Effect.gen(function* () {
    const tell = yield* Progress
    const { sync } = yield* Device
    const of = Math.min(source.rows, rows ?? source.rows)
    const done = (count: number) => tell({ kind: "evaluating", split: called ?? split, rows: count, of })
    yield* done(0)
    const result = yield* kind.evaluate(adapted, plan, source, { rows: of, mistakes, done })
    const report: EvaluationReport = { kind: "evaluation", step, split, ...result }
    yield* sync
    yield* tell({ ...report, scores: scoresText(kind.metrics, report), ...(called === undefined ? {} : { called }) })
    return report
  })

/** What the evaluations of a run need to know of it, and where they go. */
export type Evaluated = Pick<Run, "append" | "history" | "checkpoint">

/** The evaluations of one run. */
export const evaluatorOf = (kind: LoadedKind, adapted: Adapted<Network>, resolved: ResolvedPlan, run: Evaluated) => {
  const { plan, data, steps } = resolved
  const { splits } = data
  const { judged, judgedRows, watched, watchedRows, every } = evaluationsOf(plan, splits, steps)
  const existing = (["validation", "test"] as const).filter((split) => splits[split] !== undefined)
  const made: Array<EvaluationReport> = run.history.filter((row) => row.kind === "evaluation")
  const known = (split: Split, step: number, rows: number) =>
    made.find((row) => row.split === split && row.step === step && row.rows === rows)
  const evaluated = (split: Split, step: number, rows: number, mistakes?: Mistakes) =>
    Effect.gen(function* () {
      const before = known(split, step, rows)
      if (before !== undefined && mistakes === undefined) return before
      const report = yield* evaluateSplit({ kind, adapted, plan, split, source: splits[split]!, step, rows, mistakes })
      if (before !== undefined) return report
      made.push(report)
      yield* run.append(report)
      return report
    })
  return {
    /** What was looked at on the way before this process resumed the run, in the order of the steps. */
    seen: made
      .filter(({ split, step, rows }) => split === watched && step > 0 && rows === watchedRows)
      .sort((a, b) => a.step - b.step),
    /** What there is to gain, on the split that the end is judged by. Nothing where there is no split to look at. */
    before: Effect.suspend(() => {
      if (judged === undefined) return Effect.succeed(undefined)
      const first = made.find(({ split, step }) => split === judged && step === 0)
      return first !== undefined || run.checkpoint !== null ? Effect.succeed(first) : evaluated(judged, 0, judgedRows)
    }),
    /** A resumed run may have it already. */
    during: (step: number) =>
      watched === undefined || step === 0 || step >= steps || step % every !== 0
        ? Effect.succeed(undefined)
        : evaluated(watched, step, watchedRows),
    /** Of the last step, by which it is compared with those on the way; undefined where there are none, or none of validation rows. */
    last: (step: number) =>
      watched === "validation" && every < steps ? evaluated(watched, step, watchedRows) : Effect.succeed(undefined),
    /** Every split whole, and the mistakes on the last of them; and once more the rows that were looked at before training. */
    after: (before: EvaluationReport | undefined, step: number) =>
      Effect.gen(function* () {
        if (kind.settle !== undefined) {
          yield* kind.settle(adapted, resolved)
          // what was measured at this step was measured before it
          made.splice(0, made.length, ...made.filter((one) => one.step !== step))
        }
        const last = existing.at(-1)
        const kept = last === undefined ? undefined : kind.keepMistakes?.(splits[last]!, MISTAKES)
        const first =
          before === undefined || before.rows === splits[before.split]!.rows
            ? undefined
            : yield* evaluated(before.split, step, before.rows)
        const reports = yield* Effect.forEach(existing, (split) =>
          evaluated(split, step, splits[split]!.rows, split === last ? kept : undefined)
        )
        const sameRows = first ?? reports.find(({ split }) => split === before?.split)
        return { reports, sameRows, mistakes: kept === undefined ? [] : yield* kept.read }
      })
  }
}
