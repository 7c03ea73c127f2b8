/** The model of a plan that is trained: its classes are known. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import { isArraysPlan, isClassificationPlan, type RunPlan } from "../../schemas/index.ts"
import { describe, describeLayersClassifier, labelled, type ModelError } from "../models/index.ts"
import type { ResolvedPlan } from "./resolved.ts"

type World = FileSystem.FileSystem | Path.Path | Scope.Scope

/** By its headers. */
export const describePlanned = (plan: RunPlan): Effect.Effect<ResolvedPlan["model"], ModelError, World> => {
  if (isClassificationPlan(plan)) {
    return describe(plan.model.source, { ...plan.model.task, labels: plan.data.labels })
  }
  if (isArraysPlan(plan)) {
    const described = describeLayersClassifier(plan.model.source, { head: plan.model.head })
    return Effect.flatMap(described, (model) => labelled(model, plan.data.labels ?? []))
  }
  return Effect.gen(function* () {
    const { describeCausal, openSource } = yield* Effect.promise(() => import("../models/causal/index.ts"))
    const origin = yield* openSource(plan.model.source)
    return { ...(yield* describeCausal(origin)), origin }
  })
}
