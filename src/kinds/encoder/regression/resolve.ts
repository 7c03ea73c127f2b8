/** A plan over texts with numbers before its weights are read. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import { type RegressionPlan, targetsOf } from "../../../../schemas/index.ts"
import { describe } from "../../../models/index.ts"
import type { ResolveError } from "../../../plan/index.ts"
import { type ResolvedEncoderPlan, resolveEncoder } from "../resolve.ts"
import { openRegression, type RegressionData } from "./data.ts"

export interface ResolvedRegressionPlan extends ResolvedEncoderPlan<RegressionPlan, RegressionData> {}

export const describeRegression = ({ model, data }: RegressionPlan) =>
  describe(model.source, { ...model.task, labels: targetsOf(data) })

export const resolveRegression = (
  plan: RegressionPlan,
  name: string
): Effect.Effect<ResolvedRegressionPlan, ResolveError, FileSystem.FileSystem | Path.Path | Scope.Scope> =>
  Effect.gen(function* () {
    const data = yield* Effect.result(openRegression(plan.data, plan.seed))
    const model = yield* Effect.result(describeRegression(plan))
    return yield* resolveEncoder(plan, name, {
      data,
      model,
      textsOf: ({ splits }) => splits.train,
      filled: ({ scaling }) => ({ ...plan, data: { ...plan.data, scaling } })
    })
  })
