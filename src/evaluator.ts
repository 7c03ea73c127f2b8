/**
 * Which split is evaluated when: a part of one while training, every split at the end; each result a line of the metrics.
 */
import * as Effect from "effect/Effect"
import type { Adapted } from "../adapters/index.ts"
import { evaluationBatches } from "./data/index.ts"
import type { EvaluationReport, Run } from "./output/index.ts"
import type { ResolvedPlan } from "./plan/index.ts"
import { Progress } from "./progress.ts"
import { evaluate } from "./training/index.ts"

type Split = EvaluationReport["split"]

/** Evaluates one split; `rows` limits it to the first so many. */
export const evaluateSplit = (
  adapted: Adapted,
  resolved: ResolvedPlan,
  split: Split,
  options: { readonly step: number; readonly rows?: number | undefined; readonly padMultiple: number }
) =>
  Effect.gen(function* () {
    const tell = yield* Progress
    const { plan, data } = resolved
    const source = data.splits[split]!
    const of = Math.min(source.rows, options.rows ?? source.rows)
    const batches = evaluationBatches(source, adapted.model.tokenizer, {
      batchSize: plan.training.evaluateBatchSize,
      maxLength: Math.min(plan.data.maxLength, adapted.model.maxLength),
      padMultiple: options.padMultiple,
      rows: of
    })
    const result = yield* batches.pipe(evaluate(adapted, (rows) => tell({ kind: "evaluating", split, rows, of })))
    const report: EvaluationReport = { kind: "evaluation", step: options.step, split, ...result }
    yield* tell(report)
    return report
  })

/** The evaluations of one run. */
export const evaluatorOf = (adapted: Adapted, resolved: ResolvedPlan, run: Run, padMultiple: number) => {
  const { splits } = resolved.data
  const { evaluateEvery, evaluateRows } = resolved.plan.training
  const existing = (["validation", "test"] as const).filter((split) => splits[split] !== undefined)
  const recorded = (split: Split, step: number, rows?: number) =>
    Effect.tap(evaluateSplit(adapted, resolved, split, { step, rows, padMultiple }), run.append)
  const first = (...order: ReadonlyArray<Split>) => order.find((split) => splits[split] !== undefined)
  return {
    /** What there is to gain, on the split that the end is judged by. Nothing where there is no split to look at. */
    before: Effect.suspend(() => {
      const split = first("test", "validation")
      return split === undefined ? Effect.succeed(undefined) : recorded(split, 0, evaluateRows)
    }),
    /** On validation rows, so that nobody tunes on the test split. */
    during: (step: number) => {
      const split = first("validation", "test")
      const due = evaluateEvery !== undefined && step % evaluateEvery === 0 && step < resolved.steps
      return split === undefined || !due ? Effect.void : Effect.asVoid(recorded(split, step, evaluateRows))
    },
    after: Effect.suspend(() => Effect.forEach(existing, (split) => recorded(split, resolved.steps)))
  }
}
