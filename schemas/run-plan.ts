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
/** A decoded plan: every default filled in. */
export type RunPlan = typeof RunPlan.Type
/** A plan as it is written: what has a default may be left out. */
export type RunPlanInput = typeof RunPlan.Encoded

/** A fact about a whole plan. */
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

/** Fields that say the same in two ways, of which a plan has one: where one is set, the other goes. The rules refuse both. */
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

/** The rules about whole run plans: facts between fields, each with a name and the path that it complains about. */
export const rules: ReadonlyArray<PlanRule> = [
  ...ofPlan(factorRules),
  ...methodRules,
  overridesSaySomething,
  planRule("packed-base-is-frozen", "model.weights", ({ adapter, model }) =>
    model.weights !== undefined && model.weights !== "f32" && factsOfMethod(adapter).trains === "weights"
      ? `found "${model.weights}" with adapter.method "${adapter.method}", which trains the weights themselves; expected "f32" here, or another method`
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
      return "found with no validation split, by which a run would know that it has stopped getting better; expected data.validation, a file or a share such as 0.1, or no stopEarly"
    return evaluateEvery === "never"
      ? 'found with training.evaluateEvery "never"; expected the steps between two evaluations there, such as 20, or no stopEarly'
      : undefined
  }),
  ...ofPlan(scheduleRules)
]
