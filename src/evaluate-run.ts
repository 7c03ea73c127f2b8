/** A trained run on rows: the splits of its plan, or another file with the same columns. */
import * as Effect from "effect/Effect"
import { openClassification } from "./data/index.ts"
import { ofDevice } from "./device/device.ts"
import { evaluateSplit } from "./evaluator.ts"
import type { LoadedRun } from "./load-run.ts"

/** One report per split; for `file` a single one, which is called "test". */
export const evaluateRun = ({ plan, adapted, steps }: LoadedRun, file?: string) =>
  Effect.gen(function* () {
    const labels = adapted.model.labels
    const { validation: _, test: __, ...columns } = plan.data
    const section = file === undefined ? { ...plan.data, labels } : { ...columns, labels, train: file }
    const { splits } = yield* openClassification(section, plan.seed)
    const wanted = file === undefined ? { validation: splits.validation, test: splits.test } : { test: splits.train }
    return yield* Effect.forEach(
      (["validation", "test"] as const).filter((split) => wanted[split as "test"] !== undefined),
      (split) => evaluateSplit({ adapted, plan, split, source: wanted[split as "test"]!, step: steps })
    )
  }).pipe(ofDevice)
