/**
 * The `adapter` section: what is trained beside the head, a union tagged by `method`; and the facts of each method that rules and texts ask.
 *
 *   lora     W + s·BA with W frozen                { "method": "lora", "rank": 8, "alpha": 16, "targets": ["encoder.layer.*.attention.**"] }
 *   dora     m ⊙ (W + s·BA) / ‖W + s·BA‖ by rows   { "method": "dora", "rank": 8, "alpha": 16 }
 *   adalora  W + s·P diag(λ) Q, ranks by budget    { "method": "adalora", "rank": 8, "initialRank": 12 }
 *   vera     W + diag(b) B diag(d) A, A and B random { "method": "vera", "rank": 256 }
 *   loha     W + s·(B₁A₁) ⊙ (B₂A₂)                 { "method": "loha", "rank": 8, "alpha": 8 }
 *   full     the targets' own W and bias           { "method": "full" }
 *   none     the head alone                        { "method": "none" }
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

/** A dotted glob over site names: `*` one segment, `**` any number, a plain name any site that ends in it (`query`). */
export const SitePattern = text(
  'a site pattern such as "encoder.layer.*.attention.**" or "query"',
  "A dotted glob over site names: * is one segment, ** any number; a name without a dot is any site ending in it."
).annotate({ title: "SitePattern" })
export type SitePattern = typeof SitePattern.Type

const patterns = (description: string) => listOf(1, SitePattern, "a list of one or more site patterns", description)

/** Names for sets of sites that every model family has. */
export const TargetPreset = choice(
  ["all-linear", "attention", "mlp"],
  "Every linear layer of the blocks, or those of the attention or of the feed-forward part alone."
)
export type TargetPreset = typeof TargetPreset.Type

const targets = Schema.Union([TargetPreset, patterns("Sites matching any of these patterns.")])
  .annotate({
    expected: '"all-linear", "attention", "mlp", or a list of one or more site patterns',
    description:
      '"all-linear" (every linear layer of the blocks; not the pooler, classifier or head), "attention" or "mlp" (those of one part of each block), or patterns over site names.'
  })
  .pipe(withDefault("all-linear"))

const exclude = list(SitePattern, "a list of site patterns", "Targeted sites to leave alone.").pipe(withDefault([]))

const modulesToSave = list(
  SitePattern,
  "a list of site patterns",
  "Further modules to train in full and save with the adapter."
).pipe(withDefault([]))

const from = Schema.optionalKey(
  text(
    "a folder of PEFT, a run's folder, or hf:owner/name",
    "A saved adapter to start from: a PEFT folder, a run folder (relative to the plan file), or hf:owner/name[@revision]. It sets rank, alpha, scaling, targets and modulesToSave."
  )
)

const rank = integer(1, 1024, "r, the rank of BA.")
const alpha = positive("α; the scale of BA is α/r (standard) or α/√r (rank-stabilized).")

/** Another rank or alpha for some of the targets. Later entries win. */
export const LoraOverride = Schema.Struct({
  targets: patterns("Sites that this entry is about."),
  rank: Schema.optionalKey(rank),
  alpha: Schema.optionalKey(alpha)
}).annotate({ title: "Override", description: "Another rank or alpha for some targets." })
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
    "Other ranks or alphas for some targets; later entries win."
  ).pipe(withDefault([])),
  dropout: belowOne(
    "Share of the adapter's input that is dropped in training, drawn for every layer and batch; the rest is divided by 1 − dropout. Embeddings drop nothing."
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
}).annotate({ title: "LoRA", description: "W + s·BA with W frozen." })
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
  description: "LoRA on the directions of W's rows, and their trained lengths (arXiv 2402.09353)."
})
export type DoraConfig = typeof DoraConfig.Type

/** When AdaLoRA gives up ranks, as shares of the run. */
export const BudgetConfig = Schema.Struct({
  start: belowOne("Share of the steps before the first rank is given up.").pipe(withDefault(0.1)),
  end: share("Share of the steps after which the ranks stay as they are.").pipe(withDefault(0.7)),
  every: count(1, "Steps between two allocations; the last one is at the end of the budget.", "steps").pipe(
    withDefault(10)
  )
}).annotate({ title: "Budget", description: "When AdaLoRA gives up ranks." })
export type BudgetConfig = typeof BudgetConfig.Type

// at 0 the sensitivity is its own mean: no uncertainty, and every score 0
const sensitivityBetas = Schema.Tuple([
  share("β₁, of the sensitivity |w·∂w|"),
  share("β₂, of its distance from that mean")
]).annotate({
  expected: "two fractions [β₁, β₂] between 0 and 1",
  description: "Decay rates of the means by which triplets are ranked: of the sensitivity, and of its uncertainty."
})

/** Schema of `adapter` with `method: "adalora"`. */
export const AdaloraConfig = Schema.Struct({
  method: Schema.Literal("adalora"),
  from,
  rank: integer(1, 1024, "The mean rank of a site at the end.").pipe(withDefault(8)),
  initialRank: Schema.optionalKey(
    integer(1, 1536, "The rank of every site at the start. Absent: 1.5 × rank, rounded up.")
  ),
  alpha: positive("α; the scale of P diag(λ) Q is α/initialRank.").pipe(withDefault(16)),
  budget: BudgetConfig.pipe(withDefault({})),
  sensitivityBetas: sensitivityBetas.pipe(withDefault([0.85, 0.85])),
  orthogonality: nonNegative(
    "γ of what the loss gains: γ times the mean of ‖QQᵀ − I‖ and ‖PᵀP − I‖ over all sites."
  ).pipe(withDefault(0.5)),
  targets,
  exclude,
  dropout: selection.dropout,
  modulesToSave
}).annotate({
  title: "AdaLoRA",
  description: "Ranks where they matter: W + s·P diag(λ) Q, whose least important λ become 0 (arXiv 2303.10512)."
})
export type AdaloraConfig = typeof AdaloraConfig.Type

/** Schema of `adapter` with `method: "vera"`. */
export const VeraConfig = Schema.Struct({
  method: Schema.Literal("vera"),
  from,
  rank: integer(1, 4096, "r, the rank of the shared matrices.").pipe(withDefault(256)),
  dInitial: positive("What the trained d starts with; b starts at 0.").pipe(withDefault(0.1)),
  projectionKey: integer(0, 2 ** 32 - 1, "Key of the random A and B, PEFT's projection_prng_key.").pipe(withDefault(0)),
  targets,
  exclude,
  dropout: selection.dropout,
  modulesToSave
}).annotate({
  title: "VeRA",
  description:
    "Two trained vectors per layer around shared random matrices: W + diag(b) B diag(d) A (arXiv 2310.11454)."
})
export type VeraConfig = typeof VeraConfig.Type

/** Schema of `adapter` with `method: "loha"`. */
export const LohaConfig = Schema.Struct({
  method: Schema.Literal("loha"),
  from,
  rank: integer(1, 1024, "r, the rank of each of the two products; that of ΔW is up to r².").pipe(withDefault(8)),
  alpha: positive("α; the scale of the update is α/r.").pipe(withDefault(8)),
  ...selection
}).annotate({
  title: "LoHa",
  description: "The entrywise product of two low-rank products: W + s·(B₁A₁) ⊙ (B₂A₂) (arXiv 2108.06098)."
})
export type LohaConfig = typeof LohaConfig.Type

/** Schema of `adapter` with `method: "full"`. */
export const FullConfig = Schema.Struct({ method: Schema.Literal("full"), targets, exclude, modulesToSave }).annotate({
  title: "Full fine-tuning",
  description: "The targets' own weights and biases are trained."
})
export type FullConfig = typeof FullConfig.Type

/** Schema of `adapter` with `method: "none"`. */
export const NoneConfig = Schema.Struct({ method: Schema.Literal("none"), modulesToSave }).annotate({
  title: "Head alone",
  description: "Nothing but the head (and modulesToSave) is trained."
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
  description: "What is trained beside the head."
})
export type AdapterConfig = typeof AdapterConfig.Type

/** What is true of an adapter method, whatever its options. */
export interface MethodFacts {
  /** what a plan calls it */
  readonly tag: string
  /** its name for people */
  readonly label: string
  /** its arXiv number; null where it has no paper of its own */
  readonly paper: string | null
  /** Is the weight W + s·BA with A and B free to move, as LoRA-Pro's theorem, Riemannian preconditioning and diagnostics require? */
  readonly theorem: Holds
  /** Are there factors A and B that are trained, for LoRA+ to give rates of their own? */
  readonly factors: Holds
  /** what is trained at a target: parts beside its frozen weight, the weight itself, or nothing (the head alone) */
  readonly trains: "parts" | "weights" | "nothing"
}

const holds: Holds = { holds: true }
const because = (reason: string): Holds => ({ holds: false, because: reason })

const noFactors = because("which has no factors A and B")
const nothingToMove = because("which has no factors A and B to move")

/** A method without facts does not compile. `adapters/` has the same tags with their equations. */
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
    theorem: because(
      "whose weight is not W + s·BA: its rows are scaled to trained lengths, which changes what a move of A and B does to it"
    ),
    factors: holds,
    trains: "parts"
  },
  adalora: {
    tag: "adalora",
    label: "AdaLoRA",
    paper: "2303.10512",
    theorem: because(
      "which moves P, λ and Q under a penalty and sets λ to 0: its weight is no product of two factors that are free to move"
    ),
    factors: noFactors,
    trains: "parts"
  },
  vera: {
    tag: "vera",
    label: "VeRA",
    paper: "2310.11454",
    theorem: because("whose A and B are random and frozen: it trains two vectors around them"),
    factors: because("whose factors A and B are frozen"),
    trains: "parts"
  },
  loha: {
    tag: "loha",
    label: "LoHa",
    paper: "2108.06098",
    theorem: because("whose weight is the entrywise product of two products: neither is W + s·BA"),
    factors: because("which has two pairs of factors, each multiplied by the other"),
    trains: "parts"
  }
} satisfies { readonly [Tag in AdapterConfig["method"]]: MethodFacts & { readonly tag: Tag } }

/** The facts of the method that a section names. */
export const factsOfMethod = ({ method }: Pick<AdapterConfig, "method">): MethodFacts => methodFacts[method]

/** The tags of the methods for which something is true, for messages. */
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

/** Facts between the fields of a method's own section. */
export const methodRules: ReadonlyArray<Rule<WithAdapter>> = [
  methodRule("adalora", "adalora-gives-up-ranks", "initialRank", ({ initialRank, rank }) =>
    initialRank !== undefined && initialRank < rank
      ? `found ${initialRank} with rank ${rank}; expected at least rank, since ranks are only given up`
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
