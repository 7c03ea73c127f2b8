/**
 * The `optimizer` section, a union tagged by `kind`.
 *
 *   sgd        w ← w − η·(g + momentum)                       { "kind": "sgd", "learningRate": 0.1 }
 *   adamw      Adam with decoupled weight decay               { "kind": "adamw", "learningRate": 1e-3 }
 *   lora-plus  AdamW with a larger rate for B                 { "kind": "lora-plus", "ratio": 16, "learningRate": 1e-4 }
 *   riemannian AdamW on gradients scaled by the other factor's inverse Gram (arXiv 2402.02347)
 *   lora-pro   (A, B) moved so that BA follows full fine-tuning (arXiv 2407.18242)
 *              form "full": Adam on the equivalent gradient · "efficient": Adam on the factors' adjusted gradients · "sgd": neither
 *              moments "invariant" (ours, of "efficient"): neither the size nor the basis of the factors decides
 */
import * as Schema from "effect/Schema"
import { belowOne, betas, choice, count, nonNegative, positive, withDefault } from "./fields.ts"

export const ScheduleConfig = Schema.Struct({
  kind: choice(
    ["constant", "linear", "cosine"],
    "How the rate goes on after the warm-up: stays, or falls to 0 at the last step."
  ),
  warmup: Schema.optionalKey(belowOne("Share of the steps over which the rate rises from 0. Not with warmupSteps.")),
  warmupSteps: Schema.optionalKey(count(0, "Steps over which the rate rises from 0. Not with warmup."))
}).annotate({ title: "Schedule", description: "The learning rate over the steps." })
export type ScheduleConfig = typeof ScheduleConfig.Type

const shared = {
  learningRate: positive("η, the peak of the schedule."),
  headLearningRate: Schema.optionalKey(positive("η of the head and of modulesToSave. Absent: learningRate.")),
  weightDecay: nonNegative("λ, decoupled from the gradient.").pipe(withDefault(0)),
  clipNorm: Schema.NullOr(positive("Largest norm."))
    .annotate({
      expected: "a number greater than 0, or null",
      description: "Largest global norm of the raw gradients; null: no clipping."
    })
    .pipe(withDefault(null)),
  schedule: ScheduleConfig.pipe(withDefault({ kind: "constant" }))
}

const moments = {
  betas: betas.pipe(withDefault([0.9, 0.999])),
  epsilon: positive("ε, added outside the root.").pipe(withDefault(1e-8))
}

export const SgdConfig = Schema.Struct({
  kind: Schema.Literal("sgd"),
  ...shared,
  momentum: belowOne("Share of the last velocity that is kept.").pipe(withDefault(0))
}).annotate({ title: "SGD", description: "Gradient descent, with momentum if asked." })
export type SgdConfig = typeof SgdConfig.Type

export const AdamwConfig = Schema.Struct({ kind: Schema.Literal("adamw"), ...shared, ...moments }).annotate({
  title: "AdamW",
  description: "Adam with decoupled weight decay."
})
export type AdamwConfig = typeof AdamwConfig.Type

export const LoraPlusConfig = Schema.Struct({
  kind: Schema.Literal("lora-plus"),
  ...shared,
  ratio: positive("η_B/η_A: how much faster B moves than A.").pipe(withDefault(16)),
  ...moments
}).annotate({ title: "LoRA+", description: "AdamW with a larger learning rate for B (arXiv 2402.12354)." })
export type LoraPlusConfig = typeof LoraPlusConfig.Type

export const RiemannianConfig = Schema.Struct({
  kind: Schema.Literal("riemannian"),
  ...shared,
  damping: positive("δ of (Gram + δI)⁻¹.").pipe(withDefault(1e-6)),
  ...moments
}).annotate({
  title: "Riemannian preconditioning",
  description: "AdamW on gradients scaled by the inverse Gram matrix of the other factor (arXiv 2402.02347)."
})
export type RiemannianConfig = typeof RiemannianConfig.Type

export const LoraProConfig = Schema.Struct({
  kind: Schema.Literal("lora-pro"),
  ...shared,
  form: choice(
    ["full", "efficient", "sgd"],
    "full: Adam on the equivalent gradient of W; efficient: Adam on the adjusted gradients of A and B; sgd: the adjusted gradients as they are (the head keeps AdamW)."
  ).pipe(withDefault("full")),
  x: choice(
    ["sylvester", "zero", "symmetric"],
    "The free r×r matrix X: nearest to the factor gradients (Sylvester equation), 0, or the symmetric choice."
  ).pipe(withDefault("sylvester")),
  damping: nonNegative("δ of (Gram + δI)⁻¹.").pipe(withDefault(1e-8)),
  moments: Schema.optionalKey(
    choice(
      ["entrywise", "invariant"],
      "Of form \"efficient\": Adam's own second moment of every entry, as in the paper, or one that neither the size of the factors nor their basis decides, which learns from B = 0 where the paper's stalls. Absent: entrywise."
    )
  ),
  ...moments
}).annotate({
  title: "LoRA-Pro",
  description: "LoRA factors moved so that BA follows full fine-tuning (arXiv 2407.18242)."
})
export type LoraProConfig = typeof LoraProConfig.Type

export const OptimizerConfig = Schema.Union([
  SgdConfig,
  AdamwConfig,
  LoraPlusConfig,
  RiemannianConfig,
  LoraProConfig
]).annotate({
  description: "How the trainable parameters are moved."
})
export type OptimizerConfig = typeof OptimizerConfig.Type
