/**
 * The methods that can be compared: what each changes in a plan, its adapter and its optimizer, and which learning rates are worth a
 * try. They are part of the adapter methods, inits and optimizers themselves (`compared`). Everything else (data, steps, batches,
 * schedule, clipping, decay, the head and its rate) is the plan's, the same for all.
 *
 * The scale s = α/r stays what the plan says when the rank changes. In each grid there are rates above and below the best one
 * measured. On 64 sentences (bench/studies/movies-64.md) the best rate of every method but LoRA-Pro's full form lay inside its grid.
 *
 * The command line enters compare here as well as by `index.ts`: its flags name the methods before a command is loaded.
 */
import { type AdapterMethod, methods, selectionOf } from "../../adapters/index.ts"
import type { AdapterConfig, RunPlan, RunPlanInput } from "../../schemas/index.ts"
import {
  type Optimizer,
  optimizerOf,
  optimizers,
  type PlannedMoments,
  type SharedSettings
} from "../optimizers/index.ts"

export interface ComparedMethod {
  /** name in tables and plots */
  readonly label: string
  /** whether it has a rank; a method without one has one trial for all of `--ranks` */
  readonly ranked: boolean
  readonly learningRates: ReadonlyArray<number>
  readonly adapter: (plan: RunPlan, rank: number) => NonNullable<RunPlanInput["adapter"]>
  readonly optimizer: (shared: SharedSettings, plan: RunPlan) => RunPlanInput["optimizer"]
}

/** Default `rank` and `alpha` if the plan's adapter has none: the defaults of the schema. */
const USUAL = { rank: 8, alpha: 16 }

const sectionsOf = (adapter: AdapterConfig, rank: number, tag: string) => {
  const scaled = "rank" in adapter && "alpha" in adapter ? adapter : USUAL
  const { options, selection } = selectionOf(adapter)
  const { targets, exclude = [], modulesToSave = [] } = selection
  return {
    rank,
    alpha: (scaled.alpha / scaled.rank) * rank,
    overrides: "overrides" in adapter ? adapter.overrides : [],
    selection: { targets: "targets" in adapter ? targets : "all-linear", exclude, modulesToSave },
    methodOptions: adapter.method === tag ? options : undefined
  } as const
}

/** Returns the plan's Adam moments, if its optimizer has them. */
const momentsOf = ({ optimizer }: RunPlan): Partial<PlannedMoments> => optimizerOf(optimizer).moments?.(optimizer) ?? {}

const adamw: ComparedMethod["optimizer"] = (shared, plan) => ({ kind: "adamw", ...shared, ...momentsOf(plan) })

const ofAdapters = Object.values<AdapterMethod<never>>(methods).flatMap(({ tag, compared }) =>
  Object.entries(compared).map(([name, { section, ...entry }]): readonly [string, ComparedMethod] => [
    name,
    {
      ...entry,
      adapter: ({ adapter }, rank) => section(sectionsOf(adapter, rank, tag) as never),
      optimizer: adamw
    }
  ])
)

const adapterNamed = (name: string): ComparedMethod => Object.fromEntries(ofAdapters)[name]!

const ofOptimizers = Object.entries<Optimizer<never>>(optimizers).flatMap(([kind, { compared }]) =>
  Object.entries(compared).map(
    ([name, { label, on = "lora", learningRates, section }]): readonly [string, ComparedMethod] => [
      name,
      {
        label,
        ranked: adapterNamed(on).ranked,
        learningRates,
        adapter: adapterNamed(on).adapter,
        optimizer: (shared, plan) =>
          section(shared, momentsOf(plan), (plan.optimizer.kind === kind ? plan.optimizer : undefined) as never)
      }
    ]
  )
)

export const comparedMethods: Readonly<Record<string, ComparedMethod>> = Object.fromEntries([
  ...ofAdapters,
  ...ofOptimizers
])

export const methodNames = Object.keys(comparedMethods)

/** Methods compared by default: those of the LoRA-Pro paper's question. */
export const DEFAULT_METHODS: ReadonlyArray<string> = ["lora", "lora-pro", "full"]

export const comparedMethod = (name: string): ComparedMethod => {
  if (!Object.hasOwn(comparedMethods, name))
    throw new Error(`unknown method "${name}"; expected one of ${methodNames.join(", ")}`)
  return comparedMethods[name]!
}
