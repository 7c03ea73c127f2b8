/**
 * The `optimizer` section, a union tagged by `kind`; and the facts of each optimizer that rules and texts ask.
 *
 *   sgd        w ← w − η·(g + momentum)                       { "kind": "sgd", "learningRate": 0.1 }
 *   adamw      Adam with decoupled weight decay               { "kind": "adamw", "learningRate": 1e-3 }
 *   lion       the sign of a momentum, decoupled decay (arXiv 2302.06675)
 *   lora-plus  AdamW with a larger rate for B                 { "kind": "lora-plus", "ratio": 16, "learningRate": 1e-4 }
 *   riemannian AdamW on gradients scaled by the other factor's inverse Gram (arXiv 2402.02347)
 *   lora-pro   (A, B) moved so that BA follows full fine-tuning (arXiv 2407.18242)
 *              form "full": Adam on the equivalent gradient · "efficient": Adam on the factors' adjusted gradients · "sgd": neither
 *              moments "invariant" (ours, of "efficient"): neither the size nor the basis of the factors decides
 */
import * as Schema from "effect/Schema"
import { belowOne, betas, choice, count, nonNegative, positive, withDefault } from "./fields.ts"
import { type Rule, rule } from "./problems.ts"

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

export const LionConfig = Schema.Struct({
  kind: Schema.Literal("lion"),
  ...shared,
  betas: Schema.Tuple([belowOne("β₁, of the direction"), belowOne("β₂, of the momentum")])
    .annotate({
      expected: "two numbers [β₁, β₂]",
      description: "How much of the momentum stays, in the direction of a step and in the momentum itself."
    })
    .pipe(withDefault([0.9, 0.99]))
}).annotate({
  title: "Lion",
  description:
    "Moves every number by the sign of a momentum: one moment instead of AdamW's two, at a third to a tenth of its rate (arXiv 2302.06675)."
})
export type LionConfig = typeof LionConfig.Type

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
  LionConfig,
  LoraPlusConfig,
  RiemannianConfig,
  LoraProConfig
]).annotate({
  description: "How the trainable parameters are moved."
})
export type OptimizerConfig = typeof OptimizerConfig.Type

/** What is true of an optimizer, or of its configurations. */
export interface OptimizerFacts<Config> {
  readonly label: string
  /** its arXiv number; null where it has no paper of its own */
  readonly paper: string | null
  /** what it needs of the adapter: that LoRA-Pro's theorem holds, that there are factors A and B, or nothing */
  readonly needs: "theorem" | "factors" | "nothing"
  /** whether its directions are those of LoRA-Pro's theorem, against which diagnostics hold them */
  readonly followsTheorem: boolean
  /** the largest rate of anything but the head: decay multiplies by 1 − rate·λ */
  readonly largestRate: (config: Config) => number
  /** how `validate` names it */
  readonly title: (config: Config) => string
}

type ConfigOf<Kind extends OptimizerConfig["kind"]> = Extract<OptimizerConfig, { readonly kind: Kind }>

const plain = {
  followsTheorem: false,
  largestRate: ({ learningRate }: { readonly learningRate: number }) => learningRate,
  title: ({ kind }: { readonly kind: string }) => kind
}

/** An optimizer without facts does not compile. `src/optimizers/` has the same kinds with their equations. */
export const optimizerFacts = {
  adamw: { ...plain, label: "AdamW", paper: "1711.05101", needs: "nothing" },
  sgd: { ...plain, label: "SGD", paper: null, needs: "nothing" },
  lion: { ...plain, label: "Lion", paper: "2302.06675", needs: "nothing" },
  "lora-plus": {
    ...plain,
    label: "LoRA+",
    paper: "2402.12354",
    needs: "factors",
    largestRate: ({ ratio, learningRate }) => Math.max(1, ratio) * learningRate
  },
  riemannian: { ...plain, label: "Riemannian preconditioning", paper: "2402.02347", needs: "theorem" },
  "lora-pro": {
    ...plain,
    label: "LoRA-Pro",
    paper: "2407.18242",
    needs: "theorem",
    followsTheorem: true,
    title: ({ form, x }) => `LoRA-Pro (${form}, X ${x})`
  }
} satisfies { readonly [Kind in OptimizerConfig["kind"]]: OptimizerFacts<ConfigOf<Kind>> }

export const factsOfOptimizer = ({ kind }: Pick<OptimizerConfig, "kind">): OptimizerFacts<OptimizerConfig> =>
  optimizerFacts[kind] as OptimizerFacts<OptimizerConfig>

/** The kinds that work with every adapter, for messages. */
export const unconditional: ReadonlyArray<string> = Object.entries<{ readonly needs: string }>(optimizerFacts).flatMap(
  ([kind, { needs }]) => (needs === "nothing" ? [kind] : [])
)

/** Facts between the fields of an optimizer's own section. */
export const optimizerRules: ReadonlyArray<Rule<{ readonly optimizer: OptimizerConfig }>> = [
  rule("moments-of-efficient-form", "optimizer.moments", ({ optimizer }) =>
    optimizer.kind === "lora-pro" && optimizer.moments !== undefined && optimizer.form !== "efficient"
      ? `found "${optimizer.moments}" with form "${optimizer.form}", ${optimizer.form === "sgd" ? "which has no moments" : "whose moments are those of the weight"}; expected form "efficient", or no moments here`
      : undefined
  )
]
