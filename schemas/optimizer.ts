/**
 * The `optimizer` section, a union tagged by `kind`; and the facts of each optimizer that rules and texts ask.
 *
 *   sgd           w ← w − η·(g + momentum)                                       { "kind": "sgd", "learningRate": 0.1 }
 *   adamw         Adam with decoupled weight decay                               { "kind": "adamw", "learningRate": 1e-3 }
 *   lion          the sign of a momentum (arXiv 2302.06675)                      { "kind": "lion", "learningRate": 2e-4 }
 *   lora-plus     AdamW with a larger rate for B (arXiv 2402.12354)              { "kind": "lora-plus", "ratio": 16, "learningRate": 1e-4 }
 *   riemannian    AdamW on gradients scaled by the other factor's inverse Gram (arXiv 2402.02347)
 *   lora-pro      (A, B) moved so that BA follows full fine-tuning (arXiv 2407.18242)   { "kind": "lora-pro", "form": "full", "learningRate": 1e-4 }
 *   lora-rite     each factor preconditioned in the other's basis, moments follow it (arXiv 2410.20625)
 *   altlora       A and B take turns, each by its gradient in the other's coordinates (arXiv 2505.12455); altlora-plus: with Adam's second moment
 *   lora-muon     moves of W with equal singular values (arXiv 2606.12921)       { "kind": "lora-muon", "learningRate": 1e-2 }
 *   lora-pre      AdamW whose moments of a matrix are products of two thin ones (arXiv 2602.24283)
 *   reflora       factors split as evenly as their product allows, then AdamW (arXiv 2505.18877)
 *   lora-tsd      LoRA-Pro's move of W with singular values made equal (arXiv 2609.02734)
 */
import * as Schema from "effect/Schema"
import { belowOne, betas, choice, count, integer, nonNegative, positive, withDefault } from "./fields.ts"
import { type Rule, rule } from "./problems.ts"

/** Schema of `optimizer.schedule`: the learning rate over the steps. */
export const ScheduleConfig = Schema.Struct({
  kind: choice(
    ["constant", "linear", "cosine"],
    "How the rate goes on after the warm-up: stays, or falls towards 0, which it would reach one step after the last."
  ),
  warmup: Schema.optionalKey(belowOne("Share of the steps over which the rate rises from 0. Not with warmupSteps.")),
  warmupSteps: Schema.optionalKey(count(0, "Steps over which the rate rises from 0. Not with warmup.", "steps"))
}).annotate({ title: "Schedule", description: "The learning rate over the steps." })
export type ScheduleConfig = typeof ScheduleConfig.Type

const numberOrAuto = Schema.Union([
  positive("η, the peak of the schedule."),
  Schema.Literal("auto").annotate({ description: "Found on the first batches, before the first step." })
]).annotate({
  expected: 'a number greater than 0, or "auto"',
  description: 'η, the peak of the schedule; "auto": found on the first batches, before the first step.'
})

/** A section whose rate is a number: what an optimizer can be made of. */
export type Decided<Config extends { readonly learningRate: number | "auto" }> = Config & {
  /** greater than 0: "auto" has been replaced by the rate that was found */
  readonly learningRate: number
}

/** Whether a section's rate is a number, not "auto". */
export const isDecided = <Config extends { readonly learningRate: number | "auto" }>(
  config: Config
): config is Decided<Config> => config.learningRate !== "auto"

/** For a section that is known to have a number. Throws a RangeError on "auto". */
export const mustBeDecided = <Config extends { readonly learningRate: number | "auto" }>(
  config: Config
): Decided<Config> => {
  if (isDecided(config)) return config
  throw new RangeError('learningRate is "auto"; expected a rate that was found')
}

/** The fields of every optimizer. */
const shared = {
  learningRate: numberOrAuto,
  headLearningRate: Schema.optionalKey(
    positive('η of the head and of modulesToSave. Absent: learningRate; with learningRate "auto" found like it.')
  ),
  weightDecay: nonNegative("λ, decoupled from the gradient.").pipe(withDefault(0)),
  clipNorm: Schema.NullOr(positive("Largest norm."))
    .annotate({
      expected: "a number greater than 0, or null",
      description: "Largest global norm of the raw gradients; null: no clipping."
    })
    .pipe(withDefault(null)),
  schedule: ScheduleConfig.pipe(withDefault({ kind: "constant" }))
}

/** Adam's own. */
const moments = {
  betas: betas.pipe(withDefault([0.9, 0.999])),
  epsilon: positive("ε, added outside the root.").pipe(withDefault(1e-8))
}

/** What has to hold between the fields of a section. */
export interface SectionRule<Config> {
  /** of the rule, in words with hyphens */
  readonly name: string
  /** the field that a violation is reported at */
  readonly field: string
  /** what was found and what was expected; undefined where it holds */
  readonly problem: (config: Config) => string | undefined
}

/** What is true of an optimizer, or of its configurations. */
export interface OptimizerFacts<Config extends { readonly learningRate: number | "auto" }> {
  /** its name for people */
  readonly label: string
  /** its arXiv number; null where it has no paper of its own */
  readonly paper: string | null
  /** what it needs of the adapter: that LoRA-Pro's theorem holds, that there are factors A and B, or nothing */
  readonly needs: "theorem" | "factors" | "nothing"
  /** whether its directions are those of LoRA-Pro's theorem, against which diagnostics hold them */
  readonly followsTheorem: boolean
  /** the largest rate of anything but the head: decay multiplies by 1 − rate·λ */
  readonly largestRate: (config: Decided<Config>) => number
  /** how `validate` names it */
  readonly title: (config: Config) => string
  /** what has to hold between the fields of its section; absent: nothing */
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
  momentum: belowOne("Share of the last velocity that is kept.").pipe(withDefault(0))
}).annotate({ title: "SGD", description: "Gradient descent, with momentum if asked." })
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
  ratio: positive("η_B/η_A: how much faster B moves than A.").pipe(withDefault(16)),
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
  damping: positive("δ of (Gram + δI)⁻¹.").pipe(withDefault(1e-6)),
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
    "full: Adam on the equivalent gradient of W; efficient: Adam on the adjusted gradients of A and B; sgd: the adjusted gradients as they are (the head keeps AdamW)."
  ).pipe(withDefault("full")),
  x: choice(
    ["sylvester", "zero", "symmetric"],
    "The free r×r matrix X: nearest to the factor gradients (Sylvester equation), 0, or the symmetric choice."
  ).pipe(withDefault("sylvester")),
  damping: nonNegative("δ of (Gram + δI)⁻¹.").pipe(withDefault(1e-8)),
  moments: Schema.optionalKey(
    choice(
      ["entrywise", "invariant", "factored"],
      'entrywise: Adam\'s own moments of every entry, as in the paper. invariant, of form "efficient": a second moment that neither the size of the factors nor their basis decides, which learns from B = 0 where the paper\'s stalls. factored, of form "full": moments as products of thin matrices, a few percent of the numbers. Absent: entrywise.'
    )
  ),
  ...moments
}).annotate({
  title: "LoRA-Pro",
  description: "LoRA factors moved so that BA follows full fine-tuning (arXiv 2407.18242)."
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
        return `found "${moments}" with form "${form}"; expected ${[...expected.map((name) => `"${name}"`), "no moments here"].join(", or ")}`
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
  epsilon: positive("ε, added to the root of each eigenvalue of the second moment.").pipe(withDefault(1e-6)),
  clipUnmagnified: positiveOrNull(
    "Largest global norm of the unmagnified gradients (those in the coordinates of the other factor's orthonormal basis), in the place of clipNorm; null: no clipping."
  ).pipe(withDefault(1)),
  skip: positiveOrNull(
    "A factor whose unmagnified gradient has a root mean square above this counts as having none at this step (update_skipping); null: none is skipped."
  ).pipe(withDefault(1)),
  cap: positiveOrNull(
    "Largest root mean square of a factor's step in the coordinates of the basis (update_capping); null: no cap."
  ).pipe(withDefault(null)),
  escape: Schema.Boolean.annotate({
    description:
      "Whether the second moment is raised by what it lost when it was carried over to a basis that has moved (apply_escape)."
  }).pipe(withDefault(false)),
  balance: Schema.Boolean.annotate({
    description: "Whether A and B are brought to one norm after each step, BA as it is (balance_param)."
  }).pipe(withDefault(false))
}).annotate({
  title: "LoRA-RITE",
  description:
    "An r×r matrix preconditioner for each factor, in the other's orthonormal basis: W moves by the same however BA is split between the factors (arXiv 2410.20625)."
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
          : `found ${clipNorm}, which measures the factors' raw gradients, whose size is the other factor's; expected clipUnmagnified, a norm that does not change with how BA is split, and clipNorm null or left out`
    }
  ]
} satisfies OptimizerFacts<LoraRiteConfig>

const alternating = {
  ...shared,
  variant: choice(
    ["paper", "code"],
    "paper: B and A take turns, by 1/s² of their gradients; code: the authors' program as it is, A and then B at every step, without 1/s², the first moment corrected for its start."
  ).pipe(withDefault("paper")),
  damping: nonNegative("δ of (Gram + δI)⁻¹.").pipe(withDefault(1e-5)),
  ...moments
}

/** Schema of `optimizer` with `kind: "altlora"` (arXiv 2505.12455). */
export const AltLoraConfig = Schema.Struct({ kind: Schema.Literal("altlora"), ...alternating }).annotate({
  title: "AltLoRA",
  description:
    "A and B take turns, each by the gradient of W projected on what it can do, with a momentum that is carried along as the other moves; betas[1] and epsilon are those of dense tensors (arXiv 2505.12455)."
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
    `${label} (${variant === "paper" ? "B and A take turns" : "the authors' code"})`

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
  weightDecay: nonNegative("λ, of BA: both factors shrink by √(1−ηλ), and their moves grow by as much.").pipe(
    withDefault(0.01)
  ),
  momentum: belowOne("β, how much of the mean of a factor's gradients is kept.").pipe(withDefault(0.9)),
  damping: nonNegative("δ of (Gram + δI)^-½.").pipe(withDefault(1e-8)),
  ...moments
}).annotate({
  title: "LoRA-Muon",
  description:
    "Moves W by at most η in the spectral norm, all singular values of a factor's share equal (arXiv 2606.12921); betas and epsilon are those of AdamW, which heads and dense tensors get."
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
  rank: integer(
    1,
    256,
    "k, the rank of the products that hold the moments of a matrix [out, in]. Where k(out + in) is no less than out·in, a matrix has Adam's own."
  ).pipe(withDefault(8)),
  ...moments
}).annotate({
  title: "LoRA-Pre",
  description:
    "AdamW whose moments of a matrix are products of two thin ones, for weights that are trained themselves (arXiv 2602.24283)."
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
    "full: gradients as the most even split of BA would have them; scalar: after each step A and B are scaled to one norm, and their moments with them."
  ).pipe(withDefault("full")),
  warmup: Schema.optionalKey(
    belowOne(
      "Share of the steps that are plain AdamW's. Not with warmupSteps. Neither: 100 steps, a tenth of a shorter run."
    )
  ),
  warmupSteps: Schema.optionalKey(count(0, "Steps that are plain AdamW's. Not with warmup.", "steps")),
  damping: nonNegative(
    "δ of the full form: added to the eigenvalues of AAᵀ and to the squared singular values of BA."
  ).pipe(withDefault(1e-8)),
  ...moments
}).annotate({
  title: "RefLoRA",
  description: "AdamW on factors that are split as evenly as their product allows (arXiv 2505.18877)."
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
  tau: count(
    0,
    "τ, how often the move is replaced by its matrix sign and projected on what A and B can do; 0: LoRA-Pro's SGD form.",
    "iterations"
  ).pipe(withDefault(3)),
  momentum: belowOne("μ, how much of the mean of a factor's gradients is kept.").pipe(withDefault(0.95)),
  x: choice(
    ["sylvester", "zero", "symmetric"],
    "How the move is split between A and B, as LoRA-Pro's: nearest to no move at all (Sylvester equation), all of what both can do by A, or half each."
  ).pipe(withDefault("sylvester")),
  damping: nonNegative("δ of (Gram + δI)⁻¹.").pipe(withDefault(1e-8)),
  ...moments
}).annotate({
  title: "LoRA-TSD",
  description:
    "LoRA-Pro's move of W with its singular values made equal within what A and B can do (arXiv 2609.02734); betas and epsilon are those of AdamW, which heads and dense tensors get."
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
  description: "How the trainable parameters are moved."
})
export type OptimizerConfig = typeof OptimizerConfig.Type
/** With a rate that is a number. */
export type DecidedOptimizer = Decided<OptimizerConfig>

type ConfigOf<Kind extends OptimizerConfig["kind"]> = Extract<OptimizerConfig, { readonly kind: Kind }>

/** An optimizer without facts does not compile. `src/optimizers/` has the same kinds with their equations. */
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

/** The facts of the optimizer that a section names. */
export const factsOfOptimizer = ({ kind }: Pick<OptimizerConfig, "kind">): OptimizerFacts<OptimizerConfig> =>
  optimizerFacts[kind] as OptimizerFacts<OptimizerConfig>

/** The kinds that work with every adapter, for messages. */
export const unconditional: ReadonlyArray<string> = Object.entries<{ readonly needs: string }>(optimizerFacts).flatMap(
  ([kind, { needs }]) => (needs === "nothing" ? [kind] : [])
)

/** A plan, as far as rules about optimizers look at it. */
interface WithOptimizer {
  /** the optimizer section */
  readonly optimizer: OptimizerConfig
}

/** Facts between the fields of an optimizer's own section. */
export const optimizerRules: ReadonlyArray<Rule<WithOptimizer>> = Object.entries<OptimizerFacts<never>>(
  optimizerFacts
).flatMap(([kind, { rules = [] }]) =>
  rules.map(({ name, field, problem }) =>
    rule(name, `optimizer.${field}`, ({ optimizer }) =>
      optimizer.kind === kind ? problem(optimizer as never) : undefined
    )
  )
)
