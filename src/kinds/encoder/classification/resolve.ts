/**
 * A plan over labelled texts before its weights are read: their headers, the tokenizer, every row of the data, the memory it takes.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { ClassificationPlan } from "../../../../schemas/index.ts"
import { type ClassificationData, openClassification } from "../../../data/index.ts"
import { describe } from "../../../models/index.ts"
import type { ResolveError } from "../../../plan/index.ts"
import { withKnownWeights } from "../../rows/classes.ts"
import { type ResolvedEncoderPlan, resolveEncoder, standIns } from "../resolve.ts"

export interface ResolvedClassificationPlan extends ResolvedEncoderPlan<ClassificationPlan, ClassificationData> {}

/** The model of a plan whose classes are known. */
export const describeClassification = ({ model, data }: ClassificationPlan) =>
  describe(model.source, { ...model.task, labels: data.labels })

export const resolveClassification = (
  plan: ClassificationPlan,
  name: string
): Effect.Effect<ResolvedClassificationPlan, ResolveError, FileSystem.FileSystem | Path.Path | Scope.Scope> =>
  Effect.gen(function* () {
    const data = yield* Effect.result(openClassification(plan.data, plan.seed).pipe(withKnownWeights(plan)))
    const labels = Result.isSuccess(data) ? data.success.labels : (plan.data.labels ?? standIns(plan.model))
    const model = yield* Effect.result(describe(plan.model.source, { ...plan.model.task, labels }))
    return yield* resolveEncoder(plan, name, {
      data,
      model,
      textsOf: ({ splits }) => splits.train,
      filled: ({ labels }) => ({ ...plan, data: { ...plan.data, labels: [...labels] } })
    })
  })
