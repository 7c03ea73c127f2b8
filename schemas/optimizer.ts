/**
 * The `optimizer` section, a union tagged by `kind`; and properties of each optimizer.
 *
 *   sgd           w ← w − η·(g + momentum)                                       { "kind": "sgd", "learningRate": 0.1 }
 *   adamw         Adam with decoupled weight decay                               { "kind": "adamw", "learningRate": 1e-3 }
 *   lion          the sign of a momentum (arXiv 2302.06675)                      { "kind": "lion", "learningRate": 2e-4 }
 *   lora-plus     AdamW with a larger rate for B (arXiv 2402.12354)              { "kind": "lora-plus", "ratio": 16, "learningRate": 1e-4 }
 *   riemannian    AdamW on gradients scaled by the other factor's inverse Gram (arXiv 2402.02347)
 *   lora-pro      (A, B) moved so that BA follows full fine-tuning (arXiv 2407.18242)   { "kind": "lora-pro", "form": "full", "learningRate": 1e-4 }
 *   lora-rite     each factor preconditioned in the other's basis, moments follow it (arXiv 2410.20625)
 *   altlora       A and B updated alternately, each by its gradient in the other's coordinates (arXiv 2505.12455); altlora-plus: with Adam's second moment
 *   lora-muon     moves of W with equal singular values (arXiv 2606.12921)       { "kind": "lora-muon", "learningRate": 1e-2 }
 *   lora-pre      AdamW whose moments of a matrix are products of two thin ones (arXiv 2602.24283)
 *   reflora       factors split as evenly as their product allows, then AdamW (arXiv 2505.18877)
 *   lora-tsd      LoRA-Pro's move of W with singular values made equal (arXiv 2609.02734)
 */
import * as Schema from "effect/Schema"
import { belowOne, betas, choice, count, nonNegative, positive, setting, withDefault } from "./fields.ts"
import { type Rule, rule } from "./problems.ts"
import {
  adamEpsilon,
  altLoraDamping,
  altLoraVariant,
  firstDecay,
  freeMatrixChoice,
  lionDecay,
  loraPreRank,
  loraProDamping,
  rateRatio,
  riemannianDamping,
  riteBound,
  riteEpsilon,
  secondDecay,
  sgdMomentum,
  tangentIterations,
  weightDecay
} from "./settings.ts"

/** Schema of `optimizer.schedule`: the learning rate over the steps. */
export const ScheduleConfig = Schema.Struct({
  kind: choice(
    ["constant", "linear", "cosine"],
    "Learning rate after the warm-up: constant, or decaying to 0 (reached one step after the last)."
  ),
  warmup: Schema.optionalKey(
    belowOne("Fraction of the steps over which the rate rises from 0. Set either this or warmupSteps.")
  ),
  warmupSteps: Schema.optionalKey(
    count(0, "Steps over which the rate rises from 0. Set either this or warmup.", "steps")
  )
}).annotate({ title: "Schedule", description: "The learning rate over the steps." })
export type ScheduleConfig = typeof ScheduleConfig.Type

const numberOrAuto = Schema.Union([
  positive("η, peak learning rate."),
  Schema.Literal("auto").annotate({ description: "Determined from the first batches, before the first step." })
]).annotate({
  expected: 'a number greater than 0, or "auto"',
  description: 'η, peak learning rate; "auto": determined from the first batches, before the first step.'
})

/** An `optimizer` section whose learning rate is a number. */
export type Decided<Config extends { readonly learningRate: number | "auto" }> = Config & {
  /** greater than 0; the rate that was determined if the plan has "auto" */
  readonly learningRate: number
}

/** Returns whether the learning rate of a section is a number, not "auto". */
export const isDecided = <Config extends { readonly learningRate: number | "auto" }>(
  config: Config
): config is Decided<Config> => config.learningRate !== "auto"

/** Returns the section, typed with a numeric learning rate. Throws a RangeError on "auto". */
export const mustBeDecided = <Config extends { readonly learningRate: number | "auto" }>(
  config: Config
): Decided<Config> => {
  if (isDecided(config)) return config
  throw new RangeError('learningRate is "auto"; expected a number')
}

/** Fields of every optimizer. */
const shared = {
  learningRate: numberOrAuto,
  headLearningRate: Schema.optionalKey(
    positive('η of the head and of modulesToSave. Default: learningRate; determined in the same way if that is "auto".')
  ),
  weightDecay: setting(weightDecay, "λ, decoupled weight decay."),
  clipNorm: Schema.NullOr(positive("Maximum norm."))
    .annotate({
      expected: "a number greater than 0, or null",
      description: "Maximum global norm of the raw gradients; null: no clipping."
    })
    .pipe(withDefault(null)),
  schedule: ScheduleConfig.pipe(withDefault({ kind: "constant" }))
}

/** Adam's own. */
const moments = {
  betas: betas.pipe(withDefault([firstDecay.default, secondDecay.default])),
  epsilon: setting(adamEpsilon, "ε, added outside the root.")
}

/** A rule between the fields of an `optimizer` section. */
export interface SectionRule<Config> {
  /** name of the rule, hyphenated */
  readonly name: string
  /** field at which a violation is reported */
  readonly field: string
  /** Returns the invalid value and the expected ones, or undefined if the rule holds. */
  readonly problem: (config: Config) => string | undefined
}

/** Properties of an optimizer and of its configurations. */
export interface OptimizerFacts<Config extends { readonly learningRate: number | "auto" }> {
  /** name in reports and messages */
  readonly label: string
  /** arXiv number; null without a paper */
  readonly paper: string | null
  /** requirement of the adapter: LoRA-Pro's theorem, trained factors A and B, or nothing */
  readonly needs: "theorem" | "factors" | "nothing"
  /** whether its updates follow LoRA-Pro's theorem; diagnostics then compare them with it */
  readonly followsTheorem: boolean
  /** returns the largest learning rate outside the head; weight decay multiplies by 1 − rate·λ */
  readonly largestRate: (config: Decided<Config>) => number
  /** returns its name in `validate` */
  readonly title: (config: Config) => string
  /** rules between the fields of its section; absent: none */
  readonly rules?: ReadonlyArray<SectionRule<Config>>
}

/** Facts that most have in common. */
const plain = {
  followsTheorem: false,
  largestRate: ({ learningRate }: { readonly learningRate: number }) => learningRate,
  title: ({ kind }: { readonly kind: string }) => kind
}

/** Schema of `optimizer` with `kind: "sgd"`. */
export const SgdConfig = Schema.Struct({
  kind: Schema.Literal("sgd"),
  ...shared,
  momentum: setting(sgdMomentum, "Momentum: fraction of the previous velocity that is kept.")
}).annotate({ title: "SGD", description: "Stochastic gradient descent with optional momentum." })
export type SgdConfig = typeof SgdConfig.Type

const sgdFacts = { ...plain, label: "SGD", paper: null, needs: "nothing" } satisfies OptimizerFacts<SgdConfig>

/** Schema of `optimizer` with `kind: "adamw"`. */
export const AdamwConfig = Schema.Struct({ kind: Schema.Literal("adamw"), ...shared, ...moments }).annotate({
  title: "AdamW",
  description: "Adam with decoupled weight decay."
})
export type AdamwConfig = typeof AdamwConfig.Type

const adamwFacts = {
  ...plain,
  label: "AdamW",
  paper: "1711.05101",
  needs: "nothing"
} satisfies OptimizerFacts<AdamwConfig>

/** Schema of `optimizer` with `kind: "lion"` (arXiv 2302.06675). */
export const LionConfig = Schema.Struct({
  kind: Schema.Literal("lion"),
  ...shared,
  betas: Schema.Tuple([belowOne("β₁, update direction"), belowOne("β₂, momentum")])
    .annotate({
      expected: "two numbers [β₁, β₂]",
      description: "Decay rates of the momentum: in the update direction, and in the momentum itself."
    })
    .pipe(withDefault([firstDecay.default, lionDecay.default]))
}).annotate({
  title: "Lion",
  description:
    "Updates every parameter by the sign of its momentum: one moment instead of AdamW's two. Use a third to a tenth of AdamW's learning rate (arXiv 2302.06675)."
})
export type LionConfig = typeof LionConfig.Type

const lionFacts = {
  ...plain,
  label: "Lion",
  paper: "2302.06675",
  needs: "nothing"
} satisfies OptimizerFacts<LionConfig>

/** Schema of `optimizer` with `kind: "lora-plus"` (arXiv 2402.12354). */
export const LoraPlusConfig = Schema.Struct({
  kind: Schema.Literal("lora-plus"),
  ...shared,
  ratio: setting(rateRatio, "η_B/η_A, ratio of the learning rates of B and A."),
  ...moments
}).annotate({ title: "LoRA+", description: "AdamW with a larger learning rate for B (arXiv 2402.12354)." })
export type LoraPlusConfig = typeof LoraPlusConfig.Type

const loraPlusFacts = {
  ...plain,
  label: "LoRA+",
  paper: "2402.12354",
  needs: "factors",
  largestRate: ({ ratio, learningRate }) => Math.max(1, ratio) * learningRate
} satisfies OptimizerFacts<LoraPlusConfig>

/** Schema of `optimizer` with `kind: "riemannian"`. */
export const RiemannianConfig = Schema.Struct({
  kind: Schema.Literal("riemannian"),
  ...shared,
  damping: setting(riemannianDamping, "δ of (Gram + δI)⁻¹."),
  ...moments
}).annotate({
  title: "Riemannian preconditioning",
  description: "AdamW on gradients scaled by the inverse Gram matrix of the other factor (arXiv 2402.02347)."
})
export type RiemannianConfig = typeof RiemannianConfig.Type

const riemannianFacts = {
  ...plain,
  label: "Riemannian preconditioning",
  paper: "2402.02347",
  needs: "theorem"
} satisfies OptimizerFacts<RiemannianConfig>

/** Schema of `optimizer` with `kind: "lora-pro"` (arXiv 2407.18242). */
export const LoraProConfig = Schema.Struct({
  kind: Schema.Literal("lora-pro"),
  ...shared,
  form: choice(
    ["full", "efficient", "sgd"],
    "full: Adam on the equivalent gradient of W; efficient: Adam on the adjusted gradients of A and B; sgd: the adjusted gradients without Adam (the head still uses AdamW)."
  ).pipe(withDefault("full")),
  x: choice(
    freeMatrixChoice.of.words,
    "The free r×r matrix X: closest to the factor gradients (Sylvester equation), 0, or the symmetric solution."
  ).pipe(withDefault(freeMatrixChoice.default)),
  damping: setting(loraProDamping, "δ of (Gram + δI)⁻¹."),
  moments: Schema.optionalKey(
    choice(
      ["entrywise", "invariant", "factored"],
      'entrywise: Adam\'s moments per entry, as in the paper. invariant (form "efficient"): a second moment independent of the scale and basis of the factors; it learns from B = 0, where the paper\'s stalls. factored (form "full"): moments as products of thin matrices, a few percent of the memory. Default: entrywise.'
    )
  ),
  ...moments
}).annotate({
  title: "LoRA-Pro",
  description: "Updates A and B so that BA follows full fine-tuning (arXiv 2407.18242)."
})
export type LoraProConfig = typeof LoraProConfig.Type

const momentsOf: Readonly<Record<LoraProConfig["form"], ReadonlyArray<LoraProConfig["moments"]>>> = {
  full: ["entrywise", "factored"],
  efficient: ["entrywise", "invariant"],
  sgd: []
}

const loraProFacts = {
  ...plain,
  label: "LoRA-Pro",
  paper: "2407.18242",
  needs: "theorem",
  followsTheorem: true,
  title: ({ form, x }) => `LoRA-Pro (${form}, X ${x})`,
  rules: [
    {
      name: "moments-of-form",
      field: "moments",
      problem: ({ form, moments }) => {
        const expected = momentsOf[form]
        if (moments === undefined || expected.includes(moments)) return undefined
        return `found "${moments}" with form "${form}"; expected ${[...expected.map((name) => `"${name}"`), "no moments"].join(", or ")}`
      }
    }
  ]
} satisfies OptimizerFacts<LoraProConfig>

const positiveOrNull = (description: string) =>
  Schema.NullOr(positive(description)).annotate({ expected: "a number greater than 0, or null", description })

/** Schema of `optimizer` with `kind: "lora-rite"`. */
export const LoraRiteConfig = Schema.Struct({
  kind: Schema.Literal("lora-rite"),
  ...shared,
  ...moments,
  epsilon: setting(riteEpsilon, "ε, added to the square root of each eigenvalue of the second moment."),
  clipUnmagnified: positiveOrNull(
    "Maximum global norm of the unmagnified gradients (in coordinates of the other factor's orthonormal basis). Replaces clipNorm; null: no clipping."
  ).pipe(withDefault(riteBound.default)),
  skip: positiveOrNull(
    "Skips the update of a factor whose unmagnified gradient has a root mean square above this (update_skipping); null: never skip."
  ).pipe(withDefault(riteBound.default)),
  cap: positiveOrNull(
    "Maximum root mean square of a factor's update in coordinates of the basis (update_capping); null: no limit."
  ).pipe(withDefault(null)),
  escape: Schema.Boolean.annotate({
    description:
      "Whether to restore what the second moment loses when it is carried over to a rotated basis (apply_escape)."
  }).pipe(withDefault(false)),
  balance: Schema.Boolean.annotate({
    description: "Whether to rescale A and B to equal norms after each step, without changing BA (balance_param)."
  }).pipe(withDefault(false))
}).annotate({
  title: "LoRA-RITE",
  description:
    "An r×r matrix preconditioner per factor, in the other's orthonormal basis: the update of W does not depend on how BA is split into factors (arXiv 2410.20625)."
})
export type LoraRiteConfig = typeof LoraRiteConfig.Type

const loraRiteFacts = {
  ...plain,
  label: "LoRA-RITE",
  paper: "2410.20625",
  needs: "factors",
  rules: [
    {
      name: "clips-unmagnified-gradients",
      field: "clipNorm",
      problem: ({ clipNorm }) =>
        clipNorm === null
          ? undefined
          : `found ${clipNorm}, which clips the raw gradients, whose size depends on how BA is split into factors; set clipUnmagnified instead and leave out clipNorm`
    }
  ]
} satisfies OptimizerFacts<LoraRiteConfig>

const alternating = {
  ...shared,
  variant: choice(
    altLoraVariant.of.words,
    "paper: updates B and A alternately, by 1/s² of their gradients; code: as in the authors' program, A and then B at every step, without 1/s², with a bias-corrected first moment."
  ).pipe(withDefault(altLoraVariant.default)),
  damping: setting(altLoraDamping, "δ of (Gram + δI)⁻¹."),
  ...moments
}

/** Schema of `optimizer` with `kind: "altlora"` (arXiv 2505.12455). */
export const AltLoraConfig = Schema.Struct({ kind: Schema.Literal("altlora"), ...alternating }).annotate({
  title: "AltLoRA",
  description:
    "Updates A and B alternately by the projected gradient of W, with a momentum that follows the other factor; betas[1] and epsilon apply to dense tensors (arXiv 2505.12455)."
})
export type AltLoraConfig = typeof AltLoraConfig.Type

/** Schema of `optimizer` with `kind: "altlora-plus"` (arXiv 2505.12455). */
export const AltLoraPlusConfig = Schema.Struct({ kind: Schema.Literal("altlora-plus"), ...alternating }).annotate({
  title: "AltLoRA+",
  description: "AltLoRA with Adam's second moment (arXiv 2505.12455)."
})
export type AltLoraPlusConfig = typeof AltLoraPlusConfig.Type

const titled =
  (label: string) =>
  ({ variant }: Pick<AltLoraConfig, "variant">): string =>
    `${label} (${variant === "paper" ? "B and A alternate" : "the authors' code"})`

const altLora = { ...plain, paper: "2505.12455", needs: "theorem" } as const

const altLoraFacts = {
  ...altLora,
  label: "AltLoRA",
  title: titled("AltLoRA")
} satisfies OptimizerFacts<AltLoraConfig>

const altLoraPlusFacts = {
  ...altLora,
  label: "AltLoRA+",
  title: titled("AltLoRA+")
} satisfies OptimizerFacts<AltLoraPlusConfig>

/** Schema of `optimizer` with `kind: "lora-muon"` (arXiv 2606.12921). */
export const LoraMuonConfig = Schema.Struct({
  kind: Schema.Literal("lora-muon"),
  ...shared,
  weightDecay: nonNegative(
    "λ, weight decay of BA: both factors shrink by √(1−ηλ), and their updates grow accordingly."
  ).pipe(withDefault(0.01)),
  momentum: belowOne("β, decay rate of the mean of a factor's gradients.").pipe(withDefault(0.9)),
  damping: setting(loraProDamping, "δ of (Gram + δI)^-½."),
  ...moments
}).annotate({
  title: "LoRA-Muon",
  description:
    "Updates W by at most η in the spectral norm, with equal singular values per factor (arXiv 2606.12921). Heads and dense tensors use AdamW with betas and epsilon."
})
export type LoraMuonConfig = typeof LoraMuonConfig.Type

const loraMuonFacts = {
  ...plain,
  label: "LoRA-Muon",
  paper: "2606.12921",
  needs: "theorem"
} satisfies OptimizerFacts<LoraMuonConfig>

/** Schema of `optimizer` with `kind: "lora-pre"`. */
export const LoraPreConfig = Schema.Struct({
  kind: Schema.Literal("lora-pre"),
  ...shared,
  rank: setting(
    loraPreRank,
    "k, rank of the factored moments of a matrix [out, in]. Matrices with k(out + in) ≥ out·in keep Adam's full moments."
  ),
  ...moments
}).annotate({
  title: "LoRA-Pre",
  description:
    "AdamW with the moments of each matrix stored as a product of two thin ones, for training weights in full (arXiv 2602.24283)."
})
export type LoraPreConfig = typeof LoraPreConfig.Type

const loraPreFacts = {
  ...plain,
  label: "LoRA-Pre",
  paper: "2602.24283",
  needs: "nothing"
} satisfies OptimizerFacts<LoraPreConfig>

/** Schema of `optimizer` with `kind: "reflora"`. */
export const RefloraConfig = Schema.Struct({
  kind: Schema.Literal("reflora"),
  ...shared,
  form: choice(
    ["full", "scalar"],
    "full: gradients of the most even split of BA; scalar: rescales A, B and their moments to equal norms after each step."
  ).pipe(withDefault("full")),
  warmup: Schema.optionalKey(
    belowOne(
      "Fraction of the steps that use plain AdamW. Set either this or warmupSteps. Default: 100 steps, or a tenth of a shorter run."
    )
  ),
  warmupSteps: Schema.optionalKey(count(0, "Steps that use plain AdamW. Set either this or warmup.", "steps")),
  damping: setting(
    loraProDamping,
    "δ of form full, added to the eigenvalues of AAᵀ and the squared singular values of BA."
  ),
  ...moments
}).annotate({
  title: "RefLoRA",
  description: "AdamW on factors that are balanced as evenly as their product allows (arXiv 2505.18877)."
})
export type RefloraConfig = typeof RefloraConfig.Type

const refloraFacts = {
  ...plain,
  label: "RefLoRA",
  paper: "2505.18877",
  needs: "theorem",
  title: ({ form }) => (form === "full" ? "RefLoRA" : "RefLoRA-S"),
  rules: [
    {
      name: "even-split-begins-once",
      field: "warmup",
      problem: ({ warmup, warmupSteps }) =>
        warmup !== undefined && warmupSteps !== undefined
          ? `found both warmup (${warmup}) and warmupSteps (${warmupSteps}); expected at most one of the two`
          : undefined
    }
  ]
} satisfies OptimizerFacts<RefloraConfig>

/** Schema of `optimizer` with `kind: "lora-tsd"` (arXiv 2609.02734). */
export const LoraTsdConfig = Schema.Struct({
  kind: Schema.Literal("lora-tsd"),
  ...shared,
  tau: setting(
    tangentIterations,
    "τ, iterations that replace the update by its matrix sign and project it on what A and B can express; 0: LoRA-Pro's SGD form.",
    "iterations"
  ),
  momentum: belowOne("μ, decay rate of the mean of a factor's gradients.").pipe(withDefault(0.95)),
  x: choice(
    freeMatrixChoice.of.words,
    "How to split the update between A and B, as in LoRA-Pro: the smallest updates (Sylvester equation), the shared part all in A, or half each."
  ).pipe(withDefault(freeMatrixChoice.default)),
  damping: setting(loraProDamping, "δ of (Gram + δI)⁻¹."),
  ...moments
}).annotate({
  title: "LoRA-TSD",
  description:
    "LoRA-Pro's update of W with equalized singular values within what A and B can express (arXiv 2609.02734). Heads and dense tensors use AdamW with betas and epsilon."
})
export type LoraTsdConfig = typeof LoraTsdConfig.Type

const loraTsdFacts = {
  ...plain,
  label: "LoRA-TSD",
  paper: "2609.02734",
  needs: "theorem",
  title: ({ kind, tau }) => `${kind} (τ = ${tau})`
} satisfies OptimizerFacts<LoraTsdConfig>

/** Schema of a plan's `optimizer` section, by `kind`. */
export const OptimizerConfig = Schema.Union([
  SgdConfig,
  AdamwConfig,
  LionConfig,
  LoraPlusConfig,
  RiemannianConfig,
  LoraProConfig,
  LoraRiteConfig,
  AltLoraConfig,
  AltLoraPlusConfig,
  LoraMuonConfig,
  LoraPreConfig,
  RefloraConfig,
  LoraTsdConfig
]).annotate({
  description: "How to update the trainable parameters."
})
export type OptimizerConfig = typeof OptimizerConfig.Type
/** An `optimizer` section with a numeric learning rate. */
export type DecidedOptimizer = Decided<OptimizerConfig>

type ConfigOf<Kind extends OptimizerConfig["kind"]> = Extract<OptimizerConfig, { readonly kind: Kind }>

/** Properties of every optimizer, by `optimizer.kind`. `src/optimizers/` has the same kinds with their equations. */
export const optimizerFacts = {
  adamw: adamwFacts,
  sgd: sgdFacts,
  lion: lionFacts,
  "lora-plus": loraPlusFacts,
  riemannian: riemannianFacts,
  "lora-pro": loraProFacts,
  "lora-rite": loraRiteFacts,
  altlora: altLoraFacts,
  "altlora-plus": altLoraPlusFacts,
  "lora-muon": loraMuonFacts,
  "lora-pre": loraPreFacts,
  reflora: refloraFacts,
  "lora-tsd": loraTsdFacts
} satisfies { readonly [Kind in OptimizerConfig["kind"]]: OptimizerFacts<ConfigOf<Kind>> }

/** Returns the properties of the optimizer of a section. */
export const factsOfOptimizer = ({ kind }: Pick<OptimizerConfig, "kind">): OptimizerFacts<OptimizerConfig> =>
  optimizerFacts[kind] as OptimizerFacts<OptimizerConfig>

/** Optimizers that work with every adapter. */
export const unconditional: ReadonlyArray<string> = Object.entries<{ readonly needs: string }>(optimizerFacts).flatMap(
  ([kind, { needs }]) => (needs === "nothing" ? [kind] : [])
)

/** A plan, as far as rules about optimizers look at it. */
interface WithOptimizer {
  /** the optimizer section */
  readonly optimizer: OptimizerConfig
}

/** Rules between the fields of an optimizer's section. */
export const optimizerRules: ReadonlyArray<Rule<WithOptimizer>> = Object.entries<OptimizerFacts<never>>(
  optimizerFacts
).flatMap(([kind, { rules = [] }]) =>
  rules.map(({ name, field, problem }) =>
    rule(name, `optimizer.${field}`, ({ optimizer }) =>
      optimizer.kind === kind ? problem(optimizer as never) : undefined
    )
  )
)
