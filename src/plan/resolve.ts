/**
 * From a plan to a plan that can run: the world is asked (headers of the weights, the tokenizer, every row of the data), no weight
 * is read and no device opened. All problems come back together; what `validate` prints and what `train` accepts is the same value.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import {
  type CausalPlan,
  type ClassificationPlan,
  isArraysPlan,
  isClassificationPlan,
  type RunPlan
} from "../../schemas/index.ts"
import { resolveClassification } from "./resolve-classification.ts"
import type { ResolvedClassificationPlan, ResolvedPlan, ResolveError } from "./resolved.ts"

type Resolve<R extends ResolvedPlan> = Effect.Effect<R, ResolveError, FileSystem.FileSystem | Path.Path | Scope.Scope>

export function resolve(plan: ClassificationPlan, name: string): Resolve<ResolvedClassificationPlan>
export function resolve(plan: RunPlan, name: string): Resolve<ResolvedPlan>
export function resolve(plan: RunPlan, name: string): Resolve<ResolvedPlan> {
  if (isClassificationPlan(plan)) return resolveClassification(plan, name)
  // loaded when such a plan comes: a page over labelled texts has nothing of it
  if (isArraysPlan(plan)) {
    const loaded = Effect.promise(() => import("./resolve-arrays.ts"))
    return Effect.flatMap(loaded, ({ resolveArrays }) => resolveArrays(plan, name))
  }
  const loaded = Effect.promise(() => import("./resolve-causal.ts"))
  return Effect.flatMap(loaded, ({ resolveCausal }) => resolveCausal(plan as CausalPlan, name))
}
