/**
 * The `adapter` section: what is trained in addition to the head, a union tagged by `method`; and properties of each method.
 *
 *   lora     W + s·BA with W frozen                { "method": "lora", "rank": 8, "alpha": 16, "targets": ["encoder.layer.*.attention.**"] }
 *   dora     m ⊙ (W + s·BA) / ‖W + s·BA‖ by rows   { "method": "dora", "rank": 8, "alpha": 16 }
 *   adalora  W + s·P diag(λ) Q, ranks by budget    { "method": "adalora", "rank": 8, "initialRank": 12 }
 *   vera     W + diag(b) B diag(d) A, A and B random { "method": "vera", "rank": 256 }
 *   loha     W + s·(B₁A₁) ⊙ (B₂A₂)                 { "method": "loha", "rank": 8, "alpha": 8 }
 *   full     the targets' own W and bias           { "method": "full" }
 *   none     only the head                         { "method": "none" }
 *
 * rsLoRA is `scaling: "rank-stabilized"`; PiSSA, LoRA-GA, LoRA-One, GoRA and EVA are inits (`adapter-init.ts`); LoRA+ and LoRA-Pro are optimizers.
 */
import * as Schema from "effect/Schema"
import { LoraInit, PlainInit } from "./adapter-init.ts"
import {
  belowOne,
  choice,
  count,
  type Holds,
  integer,
  list,
  listOf,
  nonNegative,
  positive,
  share,
  text,
  withDefault
} from "./fields.ts"
import { type Rule, rule } from "./problems.ts"

/** Schema of a dotted glob over layer names: `*` matches one segment, `**` any number, a plain name (`query`) every layer that ends in it. */
export const SitePattern = text(
  'a layer pattern such as "encoder.layer.*.attention.**" or "query"',
  "A dotted glob over layer names: * matches one segment, ** any number; without a dot, it matches the ends of names."
).annotate({ title: "SitePattern" })
export type SitePattern = typeof SitePattern.Type

const patterns = (description: string) => listOf(1, SitePattern, "a list of one or more layer patterns", description)

/** Schema of the named sets of layers that exist in every model family. */
export const TargetPreset = choice(
  ["all-linear", "attention", "mlp"],
  "All linear layers of the blocks, or those of the attention or the feed-forward part."
)
export type TargetPreset = typeof TargetPreset.Type

const targets = Schema.Union([TargetPreset, patterns("Layers that match any of these patterns.")])
  .annotate({
    expected: '"all-linear", "attention", "mlp", or a list of one or more layer patterns',
    description:
      'Layers to adapt: "all-linear" (every linear layer of the blocks, not the pooler, classifier or head), "attention" or "mlp" (one part of each block), or patterns over layer names.'
  })
  .pipe(withDefault("all-linear"))

const exclude = list(SitePattern, "a list of layer patterns", "Layers to leave out of the targets.").pipe(
  withDefault([])
)

const modulesToSave = list(
  SitePattern,
  "a list of layer patterns",
  "Other modules to train in full and save with the adapter."
).pipe(withDefault([]))

const from = Schema.optionalKey(
  text(
    "a PEFT folder, a run folder, or hf:owner/name",
    "A saved adapter to continue training: a PEFT or run folder (relative to the plan file), or hf:owner/name[@revision]. It sets rank, alpha, scaling, targets and modulesToSave."
  )
)

const rank = integer(1, 1024, "r, the rank of BA.")
const alpha = positive("α; BA is scaled by α/r (standard) or α/√r (rank-stabilized).")

/** Schema of an entry of `adapter.overrides`: a different rank or alpha for some of the targets. Later entries win. */
export const LoraOverride = Schema.Struct({
  targets: patterns("Layers to which this entry applies."),
  rank: Schema.optionalKey(rank),
  alpha: Schema.optionalKey(alpha)
}).annotate({ title: "Override", description: "A different rank or alpha for some targets." })
export type LoraOverride = typeof LoraOverride.Type

const factors = {
  rank: rank.pipe(withDefault(8)),
  alpha: alpha.pipe(withDefault(16)),
  scaling: choice(["standard", "rank-stabilized"], "The scale s of s·BA: α/r, or α/√r (rsLoRA).").pipe(
    withDefault("standard")
  )
}

const selection = {
  targets,
  exclude,
  overrides: list(
    LoraOverride,
    "a list of overrides",
    "Different ranks or alphas for some targets; later entries win."
  ).pipe(withDefault([])),
  dropout: belowOne(
    "Fraction of the adapter's inputs dropped in training, drawn per layer and batch; the rest is divided by 1 − dropout. Not for embeddings."
  ).pipe(withDefault(0)),
  modulesToSave
}

/** Schema of `adapter` with `method: "lora"`. */
export const LoraConfig = Schema.Struct({
  method: Schema.Literal("lora"),
  from,
  ...factors,
  init: LoraInit.pipe(withDefault({ kind: "kaiming" })),
  ...selection
}).annotate({ title: "LoRA", description: "Trains low-rank factors: W + s·BA with W frozen (arXiv 2106.09685)." })
export type LoraConfig = typeof LoraConfig.Type

/** Schema of `adapter` with `method: "dora"`. */
export const DoraConfig = Schema.Struct({
  method: Schema.Literal("dora"),
  from,
  ...factors,
  init: PlainInit.pipe(withDefault({ kind: "kaiming" })),
  ...selection
}).annotate({
  title: "DoRA",
  description: "LoRA on the directions of the rows of W; their lengths are trained separately (arXiv 2402.09353)."
})
export type DoraConfig = typeof DoraConfig.Type

/** Schema of `adapter.budget` of AdaLoRA: when ranks are removed, as fractions of the run. */
export const BudgetConfig = Schema.Struct({
  start: belowOne("Fraction of the steps before the first rank is removed.").pipe(withDefault(0.1)),
  end: share("Fraction of the steps after which ranks no longer change.").pipe(withDefault(0.7)),
  every: count(1, "Steps between rank allocations; the last is at the end of the budget.", "steps").pipe(
    withDefault(10)
  )
}).annotate({ title: "Budget", description: "When AdaLoRA removes ranks." })
export type BudgetConfig = typeof BudgetConfig.Type

// at 0 the sensitivity is its own mean: no uncertainty, and every score 0
const sensitivityBetas = Schema.Tuple([
  share("β₁, for the sensitivity |w·∂w|"),
  share("β₂, for its deviation from that mean")
]).annotate({
  expected: "two fractions [β₁, β₂] between 0 and 1",
  description: "Decay rates of the moving averages that rank the triplets: sensitivity and its uncertainty."
})

/** Schema of `adapter` with `method: "adalora"`. */
export const AdaloraConfig = Schema.Struct({
  method: Schema.Literal("adalora"),
  from,
  rank: integer(1, 1024, "Mean rank per layer at the end of training.").pipe(withDefault(8)),
  initialRank: Schema.optionalKey(
    integer(1, 1536, "Rank of every layer at the start. Default: 1.5 × rank, rounded up.")
  ),
  alpha: positive("α; P diag(λ) Q is scaled by α/initialRank.").pipe(withDefault(16)),
  budget: BudgetConfig.pipe(withDefault({})),
  sensitivityBetas: sensitivityBetas.pipe(withDefault([0.85, 0.85])),
  orthogonality: nonNegative("γ: adds γ times the mean of ‖QQᵀ − I‖ and ‖PᵀP − I‖ over all layers to the loss.").pipe(
    withDefault(0.5)
  ),
  targets,
  exclude,
  dropout: selection.dropout,
  modulesToSave
}).annotate({
  title: "AdaLoRA",
  description:
    "Distributes ranks by importance: W + s·P diag(λ) Q, with the least important λ set to 0 (arXiv 2303.10512)."
})
export type AdaloraConfig = typeof AdaloraConfig.Type

/** Schema of `adapter` with `method: "vera"`. */
export const VeraConfig = Schema.Struct({
  method: Schema.Literal("vera"),
  from,
  rank: integer(1, 4096, "r, rank of the shared matrices.").pipe(withDefault(256)),
  dInitial: positive("Initial value of the trained vector d; b starts at 0.").pipe(withDefault(0.1)),
  projectionKey: integer(0, 2 ** 32 - 1, "Seed of the random A and B; projection_prng_key in PEFT.").pipe(
    withDefault(0)
  ),
  targets,
  exclude,
  dropout: selection.dropout,
  modulesToSave
}).annotate({
  title: "VeRA",
  description: "Trains two vectors per layer around shared random matrices: W + diag(b) B diag(d) A (arXiv 2310.11454)."
})
export type VeraConfig = typeof VeraConfig.Type

/** Schema of `adapter` with `method: "loha"`. */
export const LohaConfig = Schema.Struct({
  method: Schema.Literal("loha"),
  from,
  rank: integer(1, 1024, "r, rank of each of the two products; ΔW has rank r² at most.").pipe(withDefault(8)),
  alpha: positive("α; the update is scaled by α/r.").pipe(withDefault(8)),
  ...selection
}).annotate({
  title: "LoHa",
  description: "Elementwise product of two low-rank products: W + s·(B₁A₁) ⊙ (B₂A₂) (arXiv 2108.06098)."
})
export type LohaConfig = typeof LohaConfig.Type

/** Schema of `adapter` with `method: "full"`. */
export const FullConfig = Schema.Struct({ method: Schema.Literal("full"), targets, exclude, modulesToSave }).annotate({
  title: "Full fine-tuning",
  description: "Trains the weights and biases of the targets."
})
export type FullConfig = typeof FullConfig.Type

/** Schema of `adapter` with `method: "none"`. */
export const NoneConfig = Schema.Struct({ method: Schema.Literal("none"), modulesToSave }).annotate({
  title: "Head alone",
  description: "Trains only the head and modulesToSave."
})
export type NoneConfig = typeof NoneConfig.Type

/** Schema of a plan's `adapter` section, by `method`. */
export const AdapterConfig = Schema.Union([
  LoraConfig,
  DoraConfig,
  AdaloraConfig,
  VeraConfig,
  LohaConfig,
  FullConfig,
  NoneConfig
]).annotate({
  description: "What to train in addition to the head."
})
export type AdapterConfig = typeof AdapterConfig.Type

/** Properties of an adapter method that hold for all of its options. */
export interface MethodFacts {
  /** value of `adapter.method` */
  readonly tag: string
  /** name in reports and messages */
  readonly label: string
  /** arXiv number; null without a paper */
  readonly paper: string | null
  /** whether the weight is W + s·BA with A and B trained freely, which LoRA-Pro, Riemannian preconditioning and diagnostics require */
  readonly theorem: Holds
  /** whether factors A and B are trained, which LoRA+ requires */
  readonly factors: Holds
  /** trained values at a target: parts added to its frozen weight, the weight itself, or nothing (head only) */
  readonly trains: "parts" | "weights" | "nothing"
}

const holds: Holds = { holds: true }
const because = (reason: string): Holds => ({ holds: false, because: reason })

const noFactors = because("which has no factors A and B")
const nothingToMove = because("which does not train factors A and B")

/** Properties of every adapter method, by `adapter.method`. `adapters/` has the same tags with their equations. */
export const methodFacts = {
  none: {
    tag: "none",
    label: "head alone",
    paper: null,
    theorem: nothingToMove,
    factors: noFactors,
    trains: "nothing"
  },
  full: {
    tag: "full",
    label: "full fine-tuning",
    paper: null,
    theorem: nothingToMove,
    factors: noFactors,
    trains: "weights"
  },
  lora: { tag: "lora", label: "LoRA", paper: "2106.09685", theorem: holds, factors: holds, trains: "parts" },
  dora: {
    tag: "dora",
    label: "DoRA",
    paper: "2402.09353",
    theorem: because("whose weight is not W + s·BA: its rows are scaled to trained lengths"),
    factors: holds,
    trains: "parts"
  },
  adalora: {
    tag: "adalora",
    label: "AdaLoRA",
    paper: "2303.10512",
    theorem: because("whose weight is not W + s·BA: P, λ and Q have a penalty, and entries of λ become 0"),
    factors: noFactors,
    trains: "parts"
  },
  vera: {
    tag: "vera",
    label: "VeRA",
    paper: "2310.11454",
    theorem: because("which trains two vectors around frozen random A and B"),
    factors: because("whose factors A and B are frozen"),
    trains: "parts"
  },
  loha: {
    tag: "loha",
    label: "LoHa",
    paper: "2108.06098",
    theorem: because("whose weight is not W + s·BA: it has two products"),
    factors: because("which has two pairs of factors"),
    trains: "parts"
  }
} satisfies { readonly [Tag in AdapterConfig["method"]]: MethodFacts & { readonly tag: Tag } }

/** Returns the properties of the method of an `adapter` section. */
export const factsOfMethod = ({ method }: Pick<AdapterConfig, "method">): MethodFacts => methodFacts[method]

/** Returns the tags of the methods that satisfy a condition. */
export const methodsWith = (is: (facts: MethodFacts) => boolean): ReadonlyArray<string> =>
  Object.values<MethodFacts>(methodFacts).flatMap((facts) => (is(facts) ? [facts.tag] : []))

/** A plan, as far as rules about adapters look at it. */
interface WithAdapter {
  /** the adapter section */
  readonly adapter: AdapterConfig
}

/** A rule about the sections of one method. */
const methodRule = <Tag extends AdapterConfig["method"]>(
  tag: Tag,
  name: string,
  field: string,
  check: (adapter: Extract<AdapterConfig, { readonly method: Tag }>) => string | undefined
): Rule<WithAdapter> =>
  rule(name, `adapter.${field}`, ({ adapter }) =>
    adapter.method === tag ? check(adapter as Extract<AdapterConfig, { readonly method: Tag }>) : undefined
  )

/** Rules between the fields of a method's section. */
export const methodRules: ReadonlyArray<Rule<WithAdapter>> = [
  methodRule("adalora", "adalora-gives-up-ranks", "initialRank", ({ initialRank, rank }) =>
    initialRank !== undefined && initialRank < rank
      ? `found ${initialRank} with rank ${rank}; expected at least rank, because ranks are only removed`
      : undefined
  ),
  methodRule("adalora", "adalora-budget-in-order", "budget", ({ budget: { start, end } }) =>
    start >= end ? `found start ${start} and end ${end}; expected start before end` : undefined
  ),
  methodRule("lora", "ranks-in-order", "init", ({ init }) => {
    if (!("minRank" in init) || !("maxRank" in init)) return undefined
    const { minRank = 0, maxRank = minRank } = init
    return minRank > maxRank
      ? `found minRank ${minRank} and maxRank ${maxRank}; expected minRank at most maxRank`
      : undefined
  })
]
