/**
 * Facts that hold between how parameters are moved, what is moved, and how long: of every plan that trains something.
 */
import type { AdapterConfig } from "./adapter.ts"
import type { OptimizerConfig } from "./optimizer.ts"
import { type Rule, rule } from "./rule.ts"
import type { TrainingSection } from "./training.ts"

/** The sections that these rules read. */
export interface Moving {
  readonly adapter: Pick<AdapterConfig, "method">
  readonly optimizer: OptimizerConfig
  readonly training: Pick<TrainingSection, "steps" | "diagnostics">
}

const moving = rule<Moving>

/** Why the theorem behind lora-pro and riemannian does not hold for a method; undefined where it does. */
const noTheoremFor: { readonly [Method in AdapterConfig["method"]]?: string } = {
  dora: "whose weight is not W + s·BA: its rows are scaled to trained lengths, which changes what a move of A and B does to it",
  adalora:
    "which moves P, λ and Q under a penalty and sets λ to 0: its weight is no product of two factors that are free to move",
  full: "which has no factors A and B to move",
  none: "which has no factors A and B to move"
}

/** Of the optimizer and the adapter. */
export const factorRules: ReadonlyArray<Rule<Moving>> = [
  moving("lora-pro-needs-factors", "optimizer.kind", ({ adapter: { method }, optimizer: { kind } }) =>
    (kind === "lora-pro" || kind === "riemannian") && noTheoremFor[method] !== undefined
      ? `found "${kind}" with adapter.method "${method}", ${noTheoremFor[method]}; expected "adamw" or "sgd" here, or adapter.method "lora"`
      : undefined
  ),
  moving("moments-of-efficient-form", "optimizer.moments", ({ optimizer }) =>
    optimizer.kind === "lora-pro" && optimizer.moments !== undefined && optimizer.form !== "efficient"
      ? `found "${optimizer.moments}" with form "${optimizer.form}", ${optimizer.form === "sgd" ? "which has no moments" : "whose moments are those of the weight"}; expected form "efficient", or no moments here`
      : undefined
  ),
  moving("lora-plus-needs-factors", "optimizer.kind", ({ adapter: { method }, optimizer: { kind } }) =>
    kind === "lora-plus" && method !== "lora" && method !== "dora"
      ? `found "lora-plus" with adapter.method "${method}", which has no factors A and B; expected "adamw" here, or adapter.method "lora" or "dora"`
      : undefined
  ),
  moving("diagnostics-need-factors", "training.diagnostics", ({ adapter: { method }, training: { diagnostics } }) =>
    diagnostics !== undefined && method !== "lora"
      ? `found with adapter.method "${method}"; the distance to the full gradient is worked out for W + s·BA: leave diagnostics out, or set adapter.method to "lora"`
      : undefined
  )
]

/** Of the learning rate over the steps. */
export const scheduleRules: ReadonlyArray<Rule<Moving>> = [
  moving("warmup-once", "optimizer.schedule", ({ optimizer: { schedule } }) =>
    schedule.warmup !== undefined && schedule.warmupSteps !== undefined
      ? `found both warmup (${schedule.warmup}) and warmupSteps (${schedule.warmupSteps}); expected at most one of the two`
      : undefined
  ),
  moving("warmup-ends", "optimizer.schedule.warmupSteps", ({ optimizer: { schedule }, training: { steps } }) =>
    steps !== undefined && schedule.warmupSteps !== undefined && schedule.warmupSteps >= steps
      ? `found ${schedule.warmupSteps} with training.steps ${steps}; expected fewer than the steps, else the rate never reaches its peak`
      : undefined
  ),
  // decoupled decay multiplies by 1 − ηλ (LoRA-Pro's full form by its root), which has to stay positive
  moving("decay-shrinks", "optimizer.weightDecay", ({ optimizer }) => {
    const { headLearningRate, learningRate, weightDecay } = optimizer
    const rateOfB = optimizer.kind === "lora-plus" ? optimizer.ratio * learningRate : learningRate
    const rate = Math.max(learningRate, rateOfB, headLearningRate ?? 0)
    return rate * weightDecay >= 1
      ? `found ${weightDecay} with a learning rate of ${rate}; expected learning rate × weightDecay below 1, else decay flips the sign of the weights`
      : undefined
  })
]
