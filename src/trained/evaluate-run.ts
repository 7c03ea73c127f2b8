/** A trained run on rows: the splits of its plan, or another file with the same columns. */
import * as Effect from "effect/Effect"
import { ofDevice } from "../device/device.ts"
import { evaluateSplit } from "../run/index.ts"
import type { LoadedRun } from "./load-run.ts"

/** One report per split; for `file` a single one, which is called "test". */
export const evaluateRun = ({ kind, plan, adapted, steps }: LoadedRun, file?: string) =>
  Effect.gen(function* () {
    const splits = yield* kind.splits(adapted, plan, file)
    const wanted = file === undefined ? { validation: splits.validation, test: splits.test } : { test: splits.train }
    return yield* Effect.forEach(
      (["validation", "test"] as const).filter((split) => wanted[split as "test"] !== undefined),
      (split) => evaluateSplit({ kind, adapted, plan, split, source: wanted[split as "test"]!, step: steps })
    )
  }).pipe(ofDevice)
