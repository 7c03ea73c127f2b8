/**
 * From a plan to a plan that can run: the world is asked (headers of the weights, the tokenizer, every row of the data), no weight
 * is read and no device opened. All problems come back together; what `validate` prints and what `train` accepts is the same value.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import { isTextPlan, type RunPlan, type TextPlan } from "../../schemas/index.ts"
import { resolveText } from "./resolve-text.ts"
import type { ResolvedPlan, ResolvedTextPlan, ResolveError } from "./resolved.ts"

type Resolve<R extends ResolvedPlan> = Effect.Effect<R, ResolveError, FileSystem.FileSystem | Path.Path | Scope.Scope>

export function resolve(plan: TextPlan, name: string): Resolve<ResolvedTextPlan>
export function resolve(plan: RunPlan, name: string): Resolve<ResolvedPlan>
export function resolve(plan: RunPlan, name: string): Resolve<ResolvedPlan> {
  if (isTextPlan(plan)) return resolveText(plan, name)
  // loaded when such a plan comes: a page over texts has nothing of it
  return Effect.flatMap(
    Effect.promise(() => import("./resolve-arrays.ts")),
    ({ resolveArrays }) => resolveArrays(plan, name)
  )
}
