/**
 * The methods that can be compared: what each changes in a plan, its adapter and its optimizer, and which learning rates are worth a
 * try. Everything else (data, steps, batches, schedule, clipping, decay, the head and its rate) is the plan's, the same for all.
 *
 * The scale s = α/r stays what the plan says when the rank changes. Grids: LoRA-Pro's full form wants the rates of full fine-tuning,
 * its efficient form those of LoRA, PiSSA and LoRA-GA rates in between; rates above and below the best one measured are in each grid.
 * AdaLoRA wants ten times and more of LoRA's rate in a short run. On 64 sentences (bench/studies/movies-64.md) the best rate of every
 * method but LoRA-Pro's full form lay inside its grid.
 */
import type { RunPlan, RunPlanInput } from "../../schemas/index.ts"

type AdapterInput = NonNullable<RunPlanInput["adapter"]>
type OptimizerInput = RunPlanInput["optimizer"]

/** Of the optimizer, what the plan says for all methods. */
type SharedOptimizer = Omit<Extract<OptimizerInput, { readonly kind: "adamw" }>, "kind">

export interface ComparedMethod {
  /** in tables and plots */
  readonly label: string
  /** without a rank there is one trial for all of `--ranks` */
  readonly ranked: boolean
  readonly learningRates: ReadonlyArray<number>
  readonly adapter: (plan: RunPlan, rank: number) => AdapterInput
  readonly optimizer: (shared: SharedOptimizer, plan: RunPlan) => OptimizerInput
}

/** What `rank` and `alpha` are where the plan's own adapter has none: the defaults of the schema. */
const USUAL = { rank: 8, alpha: 16 }

const selection = ({ adapter }: RunPlan) => {
  const { modulesToSave } = adapter
  return adapter.method === "none"
    ? { modulesToSave }
    : { targets: adapter.targets, exclude: adapter.exclude, modulesToSave }
}

/** Rank and α, so that α/r is the plan's. */
const factors = ({ adapter }: RunPlan, rank: number) => {
  const own = "rank" in adapter ? adapter : USUAL
  return { rank, alpha: (own.alpha / own.rank) * rank }
}

const withOverrides = (plan: RunPlan, rank: number) => ({
  ...factors(plan, rank),
  ...("overrides" in plan.adapter ? { overrides: plan.adapter.overrides } : {}),
  ...selection(plan)
})

type Kind = "kaiming" | "pissa" | "lora-ga"

/** The plan's own options of a start, if it has that start. */
const init = ({ adapter }: RunPlan, kind: Kind) =>
  adapter.method === "lora" && adapter.init.kind === kind ? adapter.init : ({ kind } as const)

const lora =
  (kind: Kind, scaling: "standard" | "rank-stabilized" = "standard") =>
  (plan: RunPlan, rank: number): AdapterInput => ({
    method: "lora",
    scaling,
    init: init(plan, kind),
    ...withOverrides(plan, rank)
  })

const adamw = (shared: SharedOptimizer): OptimizerInput => ({ kind: "adamw", ...shared })

const loraPro =
  (form: "full" | "efficient" | "sgd") =>
  (shared: SharedOptimizer, { optimizer }: RunPlan) => {
    const own = optimizer.kind === "lora-pro" ? { x: optimizer.x, damping: optimizer.damping } : {}
    return { kind: "lora-pro" as const, form, ...own, ...shared }
  }

const adalora = (plan: RunPlan, rank: number): AdapterInput => {
  const { adapter } = plan
  const own =
    adapter.method === "adalora"
      ? {
          budget: adapter.budget,
          sensitivityBetas: adapter.sensitivityBetas,
          orthogonality: adapter.orthogonality
        }
      : {}
  return { method: "adalora", ...own, ...factors(plan, rank), ...selection(plan) }
}

const LORA_RATES = [5e-4, 1e-3, 2e-3, 4e-3]

export const comparedMethods = {
  // its rate is the head's: there is nothing else to move
  none: {
    label: "head alone",
    ranked: false,
    learningRates: [],
    adapter: ({ adapter: { modulesToSave } }) => ({ method: "none", modulesToSave }),
    optimizer: adamw
  },
  full: {
    label: "full fine-tuning",
    ranked: false,
    learningRates: [3e-5, 1e-4, 2e-4, 4e-4],
    adapter: (plan) => ({ method: "full", ...selection(plan) }),
    optimizer: adamw
  },
  lora: { label: "LoRA", ranked: true, learningRates: LORA_RATES, adapter: lora("kaiming"), optimizer: adamw },
  rslora: {
    label: "rsLoRA",
    ranked: true,
    learningRates: [2e-4, 5e-4, 1e-3, 2e-3],
    adapter: lora("kaiming", "rank-stabilized"),
    optimizer: adamw
  },
  dora: {
    label: "DoRA",
    ranked: true,
    learningRates: LORA_RATES,
    adapter: (plan, rank) => ({ method: "dora", ...withOverrides(plan, rank) }),
    optimizer: adamw
  },
  adalora: {
    label: "AdaLoRA",
    ranked: true,
    learningRates: [4e-3, 1e-2, 2e-2, 4e-2],
    adapter: adalora,
    optimizer: adamw
  },
  pissa: {
    label: "PiSSA",
    ranked: true,
    learningRates: [1e-4, 3e-4, 6e-4, 1e-3],
    adapter: lora("pissa"),
    optimizer: adamw
  },
  "lora-ga": {
    label: "LoRA-GA",
    ranked: true,
    learningRates: [5e-5, 1e-4, 2e-4, 4e-4],
    adapter: lora("lora-ga"),
    optimizer: adamw
  },
  "lora-plus": {
    label: "LoRA+",
    ranked: true,
    learningRates: [1e-4, 2e-4, 4e-4, 8e-4],
    adapter: lora("kaiming"),
    optimizer: (shared, { optimizer }) => ({
      kind: "lora-plus",
      ...(optimizer.kind === "lora-plus" ? { ratio: optimizer.ratio } : {}),
      ...shared
    })
  },
  riemannian: {
    label: "Riemannian",
    ranked: true,
    learningRates: [2e-4, 5e-4, 1e-3, 2e-3],
    adapter: lora("kaiming"),
    optimizer: (shared, { optimizer }) => ({
      kind: "riemannian",
      ...(optimizer.kind === "riemannian" ? { damping: optimizer.damping } : {}),
      ...shared
    })
  },
  "lora-pro": {
    label: "LoRA-Pro",
    ranked: true,
    learningRates: [5e-5, 1e-4, 2e-4, 4e-4],
    adapter: lora("kaiming"),
    optimizer: loraPro("full")
  },
  "lora-pro-efficient": {
    label: "LoRA-Pro (efficient)",
    ranked: true,
    learningRates: LORA_RATES,
    adapter: lora("kaiming"),
    optimizer: loraPro("efficient")
  },
  "lora-pro-invariant": {
    label: "LoRA-Pro (invariant moments)",
    ranked: true,
    learningRates: LORA_RATES,
    adapter: lora("kaiming"),
    optimizer: (shared, plan) => ({ ...loraPro("efficient")(shared, plan), moments: "invariant" })
  },
  "lora-pro-sgd": {
    label: "LoRA-Pro (SGD)",
    ranked: true,
    learningRates: [1e-2, 3e-2, 1e-1, 3e-1],
    adapter: lora("kaiming"),
    optimizer: loraPro("sgd")
  }
} as const satisfies Readonly<Record<string, ComparedMethod>>

export type MethodName = keyof typeof comparedMethods

export const methodNames = Object.keys(comparedMethods) as ReadonlyArray<MethodName>

/** What is compared where nothing else is asked for: the paper's question. */
export const DEFAULT_METHODS: ReadonlyArray<MethodName> = ["lora", "lora-pro", "full"]

export const comparedMethod = (name: string): ComparedMethod => {
  if (!Object.hasOwn(comparedMethods, name)) throw new Error(`no method "${name}"; there are ${methodNames.join(", ")}`)
  return comparedMethods[name as MethodName]
}
