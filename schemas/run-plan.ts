/**
 * RunPlan: one complete, runnable document. Its sections, and the facts that hold between them.
 *
 *   { "seed": 0, "model": {…}, "data": {…}, "adapter": {…}, "optimizer": {…}, "training": {…}, "output": {…} }
 *
 * `data.format` says what kind of plan it is: the `model` section is that kind's own, all other sections are the same.
 *
 * Complete and flat: no `extends`, no environment variables. A rule is a fact that no single field can state; each has a name, the
 * path it complains about, and one sentence. Rules run on plans whose structure is right, all of them at once (`decode.ts`).
 */
import * as Schema from "effect/Schema"
import { factsOfMethod, methodRules } from "./adapter.ts"
import { kindRules, planKinds } from "./kinds/index.ts"
import type { AnyPlan } from "./kinds/plan.ts"
import { factorRules, type Moving, scheduleRules } from "./moving-rules.ts"
import { type Rule, rule } from "./problems.ts"

export const RunPlan = Schema.Union([...new Set(Object.values(planKinds))]).annotate({
  title: "RunPlan",
  description: "A complete training run of tfjs-lora-pro."
})
/** A decoded plan with all defaults filled in. */
export type RunPlan = typeof RunPlan.Type
/** A plan as written in a file: fields with a default may be left out. */
export type RunPlanInput = typeof RunPlan.Encoded

/** A rule between fields of a plan. */
export type PlanRule = Rule<AnyPlan>

const planRule = rule<AnyPlan>

const overridesSaySomething: PlanRule = {
  name: "overrides-say-something",
  check: ({ adapter }) =>
    !("overrides" in adapter)
      ? []
      : adapter.overrides.flatMap((override, i) =>
          override.rank === undefined && override.alpha === undefined
            ? [
                {
                  path: `adapter.overrides.${i}`,
                  message: "found neither rank nor alpha; expected at least one of the two"
                }
              ]
            : []
        )
}

/** Pairs of fields that exclude each other. Setting one removes the other; the rules reject plans with both. */
export const alternatives: ReadonlyArray<readonly [string, string]> = [
  ["training.steps", "training.epochs"],
  ["optimizer.schedule.warmup", "optimizer.schedule.warmupSteps"]
]

/** Rules about how parameters are moved, of a run plan. */
const ofPlan = (rules: ReadonlyArray<Rule<Moving>>): ReadonlyArray<PlanRule> =>
  rules.map(({ name, check }) => ({
    name,
    check: ({ adapter, optimizer, training }) => check({ method: factsOfMethod(adapter), optimizer, training })
  }))

/** Rules between fields of run plans, each with a name and the path at which it reports violations. */
export const rules: ReadonlyArray<PlanRule> = [
  ...ofPlan(factorRules),
  ...methodRules,
  overridesSaySomething,
  planRule("packed-base-is-frozen", "model.weights", ({ adapter, model }) =>
    model.weights !== undefined &&
    !["f32", "file"].includes(model.weights) &&
    factsOfMethod(adapter).trains === "weights"
      ? `found "${model.weights}" with adapter.method "${adapter.method}", which trains the weights themselves; expected "f32", or another method`
      : undefined
  ),
  ...kindRules,
  planRule("steps-or-epochs", "training", ({ training: { epochs, steps } }) =>
    steps === undefined && epochs === undefined
      ? "found neither steps nor epochs; expected exactly one of the two"
      : steps !== undefined && epochs !== undefined
        ? `found both steps (${steps}) and epochs (${epochs}); expected exactly one of the two`
        : undefined
  ),
  planRule("stop-early-is-evaluated", "training.stopEarly", ({ data, training: { evaluateEvery, stopEarly } }) => {
    if (stopEarly === undefined) return undefined
    if (data.validation === undefined)
      return "early stopping needs a validation split; set data.validation to a file or a fraction such as 0.1, or leave stopEarly out"
    return evaluateEvery === "never"
      ? 'early stopping needs evaluations, but training.evaluateEvery is "never"; set it to a number of steps such as 20, or leave stopEarly out'
      : undefined
  }),
  ...ofPlan(scheduleRules)
]
