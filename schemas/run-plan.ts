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
import { OptimizerConfig } from "./optimizer.ts"
import { OutputSection } from "./output.ts"
import type { PlanProblem } from "./problems.ts"
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

/** A fact about a whole plan. `check` returns every violation. */
export interface PlanRule {
  readonly name: string
  readonly check: (plan: RunPlan) => ReadonlyArray<PlanProblem>
}

const rule = (name: string, path: string, check: (plan: RunPlan) => string | undefined): PlanRule => ({
  name,
  check: (plan) => {
    const message = check(plan)
    return message === undefined ? [] : [{ path, message }]
  }
})

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

/** Why the theorem behind lora-pro and riemannian does not hold for a method; undefined where it does. */
const noTheoremFor: { readonly [Method in AdapterConfig["method"]]?: string } = {
  dora: "whose weight is not W + s·BA: its rows are scaled to trained lengths, which changes what a move of A and B does to it",
  adalora:
    "which moves P, λ and Q under a penalty and sets λ to 0: its weight is no product of two factors that are free to move",
  full: "which has no factors A and B to move",
  none: "which has no factors A and B to move"
}

export const rules: ReadonlyArray<PlanRule> = [
  rule("lora-pro-needs-factors", "optimizer.kind", ({ adapter: { method }, optimizer: { kind } }) =>
    (kind === "lora-pro" || kind === "riemannian") && noTheoremFor[method] !== undefined
      ? `found "${kind}" with adapter.method "${method}", ${noTheoremFor[method]}; expected "adamw" or "sgd" here, or adapter.method "lora"`
      : undefined
  ),
  rule("moments-of-efficient-form", "optimizer.moments", ({ optimizer }) =>
    optimizer.kind === "lora-pro" && optimizer.moments !== undefined && optimizer.form !== "efficient"
      ? `found "${optimizer.moments}" with form "${optimizer.form}", ${optimizer.form === "sgd" ? "which has no moments" : "whose moments are those of the weight"}; expected form "efficient", or no moments here`
      : undefined
  ),
  rule("lora-plus-needs-factors", "optimizer.kind", ({ adapter: { method }, optimizer: { kind } }) =>
    kind === "lora-plus" && method !== "lora" && method !== "dora"
      ? `found "lora-plus" with adapter.method "${method}", which has no factors A and B; expected "adamw" here, or adapter.method "lora" or "dora"`
      : undefined
  ),
  rule("diagnostics-need-factors", "training.diagnostics", ({ adapter: { method }, training: { diagnostics } }) =>
    diagnostics !== undefined && method !== "lora"
      ? `found with adapter.method "${method}"; the distance to the full gradient is worked out for W + s·BA: leave diagnostics out, or set adapter.method to "lora"`
      : undefined
  ),
  rule("adalora-gives-up-ranks", "adapter.initialRank", ({ adapter }) =>
    adapter.method === "adalora" && adapter.initialRank !== undefined && adapter.initialRank < adapter.rank
      ? `found ${adapter.initialRank} with rank ${adapter.rank}; expected at least rank, since ranks are only given up`
      : undefined
  ),
  rule("adalora-budget-in-order", "adapter.budget", ({ adapter }) =>
    adapter.method === "adalora" && adapter.budget.start >= adapter.budget.end
      ? `found start ${adapter.budget.start} and end ${adapter.budget.end}; expected start before end`
      : undefined
  ),
  rule("lora-ga-sees-a-gradient", "model.task.headInit", ({ adapter, model: { task } }) =>
    adapter.method === "lora" && adapter.init.kind === "lora-ga" && task.headInit === "zeros"
      ? 'found "zeros" with adapter.init "lora-ga", which starts from the gradient of the first batches: through a head of zeros every layer\'s is 0; expected "normal" or "checkpoint" here, or another init'
      : undefined
  ),
  overridesSaySomething,
  rule("checkpoint-head-needs-pooler", "model.task.headInit", ({ model: { task } }) =>
    task.headInit === "checkpoint" && task.pooling !== "pooler"
      ? `found "checkpoint" with pooling "${task.pooling}"; a checkpoint's classifier stands on its pooler: set model.task.pooling to "pooler", or headInit to "normal" or "zeros"`
      : undefined
  ),
  rule("packed-base-is-frozen", "model.weights", ({ adapter, model: { weights } }) =>
    weights !== "f32" && adapter.method === "full"
      ? `found "${weights}" with adapter.method "full", which trains the weights themselves; expected "f32" here, or another method`
      : undefined
  ),
  rule("steps-or-epochs", "training", ({ training: { epochs, steps } }) =>
    steps === undefined && epochs === undefined
      ? "found neither steps nor epochs; expected exactly one of the two"
      : steps !== undefined && epochs !== undefined
        ? `found both steps (${steps}) and epochs (${epochs}); expected exactly one of the two`
        : undefined
  ),
  rule("warmup-once", "optimizer.schedule", ({ optimizer: { schedule } }) =>
    schedule.warmup !== undefined && schedule.warmupSteps !== undefined
      ? `found both warmup (${schedule.warmup}) and warmupSteps (${schedule.warmupSteps}); expected at most one of the two`
      : undefined
  ),
  rule("warmup-ends", "optimizer.schedule.warmupSteps", ({ optimizer: { schedule }, training: { steps } }) =>
    steps !== undefined && schedule.warmupSteps !== undefined && schedule.warmupSteps >= steps
      ? `found ${schedule.warmupSteps} with training.steps ${steps}; expected fewer than the steps, else the rate never reaches its peak`
      : undefined
  ),
  // decoupled decay multiplies by 1 − ηλ (LoRA-Pro's full form by its root), which has to stay positive
  rule("decay-shrinks", "optimizer.weightDecay", ({ optimizer }) => {
    const { headLearningRate, learningRate, weightDecay } = optimizer
    const rateOfB = optimizer.kind === "lora-plus" ? optimizer.ratio * learningRate : learningRate
    const rate = Math.max(learningRate, rateOfB, headLearningRate ?? 0)
    return rate * weightDecay >= 1
      ? `found ${weightDecay} with a learning rate of ${rate}; expected learning rate × weightDecay below 1, else decay flips the sign of the weights`
      : undefined
  })
]
