/**
 * RunPlan: one complete, runnable document. Its sections, and the facts that hold between them.
 *
 *   { "seed": 0, "model": {…}, "data": {…}, "adapter": {…}, "optimizer": {…}, "training": {…}, "output": {…} }
 *
 * Complete and flat: no `extends`, no environment variables. A rule is a fact that no single field can state; each has a name, the
 * path it complains about, and one sentence. Rules run on plans whose structure is right, all of them at once (`decode.ts`).
 */
import * as Schema from "effect/Schema"
import { AdapterConfig } from "./adapter.ts"
import { DataSection } from "./data.ts"
import { count, withDefault } from "./fields.ts"
import { ModelSection } from "./model.ts"
import { factorRules, scheduleRules } from "./moving-rules.ts"
import { OptimizerConfig } from "./optimizer.ts"
import { OutputSection } from "./output.ts"
import { type Rule, rule } from "./rule.ts"
import { TrainingSection } from "./training.ts"

export const RunPlan = Schema.Struct({
  $schema: Schema.optionalKey(
    Schema.String.annotate({
      expected: "a path or URL of the JSON Schema",
      description: "Where editors find the JSON Schema."
    })
  ),
  seed: count(0, "Everything random depends on this and nothing else.").pipe(withDefault(0)),
  model: ModelSection,
  data: DataSection,
  adapter: AdapterConfig.pipe(withDefault({ method: "lora" })),
  optimizer: OptimizerConfig,
  training: TrainingSection,
  output: OutputSection.pipe(withDefault({}))
}).annotate({ title: "RunPlan", description: "A complete training run of tfjs-lora-pro." })
/** A decoded plan: every default filled in. */
export type RunPlan = typeof RunPlan.Type
/** A plan as it is written: what has a default may be left out. */
export type RunPlanInput = typeof RunPlan.Encoded

/** A fact about a whole plan. */
export type PlanRule = Rule<RunPlan>

const planRule = rule<RunPlan>

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

export const rules: ReadonlyArray<PlanRule> = [
  ...factorRules,
  planRule("adalora-gives-up-ranks", "adapter.initialRank", ({ adapter }) =>
    adapter.method === "adalora" && adapter.initialRank !== undefined && adapter.initialRank < adapter.rank
      ? `found ${adapter.initialRank} with rank ${adapter.rank}; expected at least rank, since ranks are only given up`
      : undefined
  ),
  planRule("adalora-budget-in-order", "adapter.budget", ({ adapter }) =>
    adapter.method === "adalora" && adapter.budget.start >= adapter.budget.end
      ? `found start ${adapter.budget.start} and end ${adapter.budget.end}; expected start before end`
      : undefined
  ),
  planRule("lora-ga-sees-a-gradient", "model.task.headInit", ({ adapter, model: { task } }) =>
    adapter.method === "lora" && adapter.init.kind === "lora-ga" && task.headInit === "zeros"
      ? 'found "zeros" with adapter.init "lora-ga", which starts from the gradient of the first batches: through a head of zeros every layer\'s is 0; expected "normal" or "checkpoint" here, or another init'
      : undefined
  ),
  overridesSaySomething,
  planRule("checkpoint-head-needs-pooler", "model.task.headInit", ({ model: { task } }) =>
    task.headInit === "checkpoint" && task.pooling !== "pooler"
      ? `found "checkpoint" with pooling "${task.pooling}"; a checkpoint's classifier stands on its pooler: set model.task.pooling to "pooler", or headInit to "normal" or "zeros"`
      : undefined
  ),
  planRule("packed-base-is-frozen", "model.weights", ({ adapter, model: { weights } }) =>
    weights !== "f32" && adapter.method === "full"
      ? `found "${weights}" with adapter.method "full", which trains the weights themselves; expected "f32" here, or another method`
      : undefined
  ),
  planRule("steps-or-epochs", "training", ({ training: { epochs, steps } }) =>
    steps === undefined && epochs === undefined
      ? "found neither steps nor epochs; expected exactly one of the two"
      : steps !== undefined && epochs !== undefined
        ? `found both steps (${steps}) and epochs (${epochs}); expected exactly one of the two`
        : undefined
  ),
  ...scheduleRules
]
