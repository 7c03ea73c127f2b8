/** A trained run on rows: the splits of its plan, or another file with the same columns. */
import * as Effect from "effect/Effect"
import { evaluationBatches, openClassification } from "./data/index.ts"
import { Device } from "./device/index.ts"
import type { LoadedRun } from "./load-run.ts"
import type { EvaluationReport } from "./output/index.ts"
import { Progress } from "./progress.ts"
import { evaluate } from "./training/index.ts"

/** One report per split; for `file` a single one, which is called "test". */
export const evaluateRun = ({ plan, adapted }: LoadedRun, file?: string) =>
  Effect.gen(function* () {
    const { padMultiple } = yield* Device
    const tell = yield* Progress
    const labels = adapted.model.labels
    const { validation: _, test: __, ...rest } = plan.data
    const section = file === undefined ? { ...plan.data, labels } : { ...rest, labels, train: file }
    const { splits } = yield* openClassification(section, plan.seed)
    const wanted =
      file === undefined
        ? (["validation", "test"] as const).map((name) => [name, splits[name]] as const)
        : [["test", splits.train] as const]
    const reports: Array<EvaluationReport> = []
    for (const [split, source] of wanted) {
      if (source === undefined) continue
      const result = yield* evaluationBatches(source, adapted.model.tokenizer, {
        batchSize: plan.training.evaluateBatchSize,
        maxLength: Math.min(plan.data.maxLength, adapted.model.maxLength),
        padMultiple
      }).pipe(evaluate(adapted, (rows) => tell({ kind: "evaluating", split, rows, of: source.rows })))
      const report: EvaluationReport = { kind: "evaluation", step: plan.training.steps ?? 0, split, ...result }
      yield* tell(report)
      reports.push(report)
    }
    return reports
  })
