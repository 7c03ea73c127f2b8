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
import type { ResolvedPlan, SplitSource } from "../plan/index.ts"
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
  /** steps taken before it */
  readonly step: number
  /** the first rows, this many; all unless given */
  readonly rows?: number | undefined
  /** where the rows that come out wrong are kept */
  readonly mistakes?: Mistakes | undefined
}

/** Evaluates one split and reports it to the listener. */
export const evaluateSplit = ({ kind, adapted, plan, split, source, step, rows, mistakes }: SplitEvaluation) =>
  Effect.gen(function* () {
    const tell = yield* Progress
    const { sync } = yield* Device
    const of = Math.min(source.rows, rows ?? source.rows)
    const done = (count: number) => tell({ kind: "evaluating", split, rows: count, of })
    const result = yield* kind.evaluate(adapted, plan, source, { rows: of, mistakes, done })
    const report: EvaluationReport = { kind: "evaluation", step, split, ...result }
    yield* sync
    yield* tell({ ...report, scores: scoresText(kind.metrics, report) })
    return report
  })

/** What the evaluations of a run need to know of it, and where they go. */
export type Evaluated = Pick<Run, "append" | "history" | "checkpoint">

/** The evaluations of one run. */
export const evaluatorOf = (kind: LoadedKind, adapted: Adapted<Network>, resolved: ResolvedPlan, run: Evaluated) => {
  const { plan, data } = resolved
  const { splits } = data
  const { evaluateEvery, evaluateRows } = plan.training
  const existing = (["validation", "test"] as const).filter((split) => splits[split] !== undefined)
  const recorded = (split: Split, step: number, rows?: number, mistakes?: Mistakes) =>
    Effect.tap(evaluateSplit({ kind, adapted, plan, split, source: splits[split]!, step, rows, mistakes }), run.append)
  const reported = (split: Split, step: number) => {
    const rows = Math.min(splits[split]!.rows, evaluateRows ?? Number.POSITIVE_INFINITY)
    return run.history.find(
      (row): row is EvaluationReport =>
        row.kind === "evaluation" && row.split === split && row.step === step && row.rows === rows
    )
  }
  const first = (...order: ReadonlyArray<Split>) => order.find((split) => splits[split] !== undefined)
  return {
    /** What there is to gain, on the split that the end is judged by. Nothing where there is no split to look at. */
    before: Effect.suspend(() => {
      const split = first("test", "validation")
      if (split === undefined) return Effect.succeed(undefined)
      const known = reported(split, 0)
      return known !== undefined || run.checkpoint !== null ? Effect.succeed(known) : recorded(split, 0, evaluateRows)
    }),
    /** On validation rows, so that no one tunes on the test split. A resumed run may have it already. */
    during: (step: number) => {
      const split = first("validation", "test")
      const due = evaluateEvery !== undefined && step > 0 && step % evaluateEvery === 0 && step < resolved.steps
      if (split === undefined || !due) return Effect.succeed(undefined)
      const known = reported(split, step)
      return known === undefined ? recorded(split, step, evaluateRows) : Effect.succeed(known)
    },
    /** Every split, and the mistakes on the last of them. */
    after: Effect.gen(function* () {
      const last = existing.at(-1)
      const source = last === undefined ? undefined : splits[last]!
      const kept = source === undefined ? undefined : kind.keepMistakes?.(source, MISTAKES)
      const reports = yield* Effect.forEach(existing, (split) =>
        recorded(split, resolved.steps, undefined, split === last ? kept : undefined)
      )
      return { reports, mistakes: kept === undefined ? [] : yield* kept.read }
    })
  }
}
