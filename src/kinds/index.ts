/** The kinds of runs by `data.format`. A kind is loaded when a plan of it comes: a page over texts has nothing of the others. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import type { ArraysPlan, CausalPlan, ClassificationPlan, RunPlan } from "../../schemas/index.ts"
import type { ResolvedPlan, ResolveError } from "../plan/index.ts"
import type { ResolvedArraysPlan } from "./arrays/resolve.ts"
import type { ResolvedCausalPlan } from "./causal/resolve.ts"
import type { ResolvedClassificationPlan } from "./classification/resolve.ts"
import type { LoadedKind, RunKind } from "./kind.ts"

type Format = RunPlan["data"]["format"]

const classification = () => import("./classification/index.ts").then((room) => room.classification)
const arrays = () => import("./arrays/index.ts").then((room) => room.arrays)
const causal = () => import("./causal/index.ts").then((room) => room.causal)

const table = {
  classification,
  arrays,
  chat: causal,
  completion: causal,
  text: causal
} satisfies { readonly [F in Format]: () => Promise<RunKind> }

/** The kind of a plan. Its functions take plans and models of that kind alone. */
export const kindOf = ({ data }: { readonly data: { readonly format: Format } }): Effect.Effect<RunKind> =>
  Effect.promise<RunKind>(() => table[data.format]())

/** The same with what trains it and uses what was trained. */
export const loadKind = (plan: RunPlan): Effect.Effect<LoadedKind> =>
  Effect.gen(function* () {
    const kind = yield* kindOf(plan)
    return { ...kind, ...(yield* Effect.promise(kind.runner)) }
  })

/** Every kind once, in the order in which a model is shown to them. */
export const kinds: ReadonlyArray<Effect.Effect<RunKind>> = [
  ...new Set<() => Promise<RunKind>>(Object.values(table))
].map((load) => Effect.promise(load))

/** What a plan resolves to. */
export type ResolvedOf<Plan extends RunPlan> = Plan extends ClassificationPlan
  ? ResolvedClassificationPlan
  : Plan extends ArraysPlan
    ? ResolvedArraysPlan
    : Plan extends CausalPlan
      ? ResolvedCausalPlan
      : ResolvedPlan

/**
 * From a plan to a plan that can run: the world is asked (headers of the weights, the tokenizer, every row of the data), no weight
 * is read and no device opened. All problems come back together; what `validate` prints and what `train` accepts is the same value.
 */
export const resolve = <Plan extends RunPlan>(
  plan: Plan,
  name: string
): Effect.Effect<ResolvedOf<Plan>, ResolveError, FileSystem.FileSystem | Path.Path | Scope.Scope> =>
  Effect.flatMap(kindOf(plan), (kind) => kind.resolve(plan, name)) as Effect.Effect<
    ResolvedOf<Plan>,
    ResolveError,
    FileSystem.FileSystem | Path.Path | Scope.Scope
  >

export type { ResolvedArraysPlan } from "./arrays/resolve.ts"
export type { ResolvedCausalPlan } from "./causal/resolve.ts"
export type { ResolvedClassificationPlan } from "./classification/resolve.ts"
export { describePlan, planJson } from "./describe.ts"
export type { LoadedKind, Prediction, Publisher, RunKind, Runner, Trained, Writing } from "./kind.ts"
