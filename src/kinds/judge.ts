/** Checks a plan by its model alone, checks the metric of early stopping, and suggests the `data.format` that a plan should have. */
import * as Effect from "effect/Effect"
import { closest, type RunPlan, showValue } from "../../schemas/index.ts"
import { WeightlessFolders } from "../models/index.ts"
import { countTrainable, ResolveError, selectSites } from "../plan/index.ts"
import { namedModel } from "../suggest/index.ts"
import type { RunKind, World } from "./contract/index.ts"
import type { JudgedPlan } from "./describe.ts"

/**
 * Checks a plan by its model alone, without reading rows. For a folder without weights, the weights follow from its config.json. `kind`:
 * the plan's.
 */
export const judgePlan = (kind: RunKind, plan: RunPlan, name: string): Effect.Effect<JudgedPlan, ResolveError, World> =>
  Effect.gen(function* () {
    const model = yield* kind.describe(plan)
    const selected = yield* Effect.fromResult(selectSites(plan, model))
    const trainable = countTrainable(plan, model, selected)
    const memory = kind.suggesting.estimate(plan, { model, selected, trainable })
    return { plan, name, model, selected, trainable, memory, steps: plan.training.steps }
  }).pipe(
    Effect.mapError(({ message }) => new ResolveError({ name, problems: [message] })),
    Effect.provideService(WeightlessFolders, true)
  )

export const metricProblems = ({ metrics }: RunKind, metric: string): ReadonlyArray<string> => {
  const names = Object.keys(metrics).filter((name) => metrics[name]!.better !== null)
  if (names.includes(metric)) return []
  const near = closest(metric, names)
  const hint = near === undefined ? "" : `; did you mean "${near}"?`
  const expected = names.map((name) => `"${name}"`).join(", ")
  return [`training.stopEarly.metric: found ${showValue(metric)}; expected one of ${expected}${hint}`]
}

/** Returns a sentence if the plan's kind does not support such models and another of `kinds` does. */
export const otherFormats = (
  kinds: ReadonlyArray<Effect.Effect<Pick<RunKind, "detecting">>>,
  { detecting }: Pick<RunKind, "detecting">,
  { model: { source }, data: { format } }: RunPlan
): Effect.Effect<ReadonlyArray<string>, never, World> =>
  Effect.gen(function* () {
    const named = yield* namedModel(source)
    if (typeof named.modelType !== "string" || detecting.takes(named)) return []
    const all = yield* Effect.all(kinds)
    // special kinds are last
    const first = all.findLast((kind) => kind.detecting.takes(named))
    const same = all.filter((kind) => kind.detecting.takes === first?.detecting.takes)
    const formats = same.flatMap((kind) => Object.keys(kind.detecting.columns)).map((format) => `"${format}"`)
    if (formats.length === 0) return []
    return [
      `data.format: found "${format}" with a model of type "${named.modelType}"; expected ${formats.join(", ").replace(/, (?=[^,]*$)/, " or ")}`
    ]
  }).pipe(Effect.orElseSucceed(() => []))
