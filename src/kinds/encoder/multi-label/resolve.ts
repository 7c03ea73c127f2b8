/** A plan over texts with any number of labels before its weights are read. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { MultiLabelPlan } from "../../../../schemas/index.ts"
import { describe } from "../../../models/index.ts"
import type { ResolveError } from "../../../plan/index.ts"
import { type ResolvedEncoderPlan, resolveEncoder, standIns } from "../resolve.ts"
import { type MultiLabelData, openMultiLabel } from "./data.ts"

export interface ResolvedMultiLabelPlan extends ResolvedEncoderPlan<MultiLabelPlan, MultiLabelData> {}

/** The model of a plan whose labels are known. */
export const describeMultiLabel = ({ model, data }: MultiLabelPlan) =>
  describe(model.source, { ...model.task, labels: data.labels ?? data.labelColumns })

export const resolveMultiLabel = (
  plan: MultiLabelPlan,
  name: string
): Effect.Effect<ResolvedMultiLabelPlan, ResolveError, FileSystem.FileSystem | Path.Path | Scope.Scope> =>
  Effect.gen(function* () {
    const data = yield* Effect.result(openMultiLabel(plan.data, plan.seed))
    const { labels: given = plan.data.labelColumns } = plan.data
    const labels = Result.isSuccess(data) ? data.success.labels : (given ?? standIns(plan.model))
    const model = yield* Effect.result(describe(plan.model.source, { ...plan.model.task, labels }))
    return yield* resolveEncoder(plan, name, {
      data,
      model,
      textsOf: ({ splits }) => splits.train,
      filled: ({ labels: settled }) => ({ ...plan, data: { ...plan.data, labels: [...settled] } })
    })
  })
