/**
 * The contract of an optimizer that a plan can name. `<kind>/index.ts` has the value: what `validate`, `compare` and estimates of memory ask
 * of any kind, and therefore every page that reads plans downloads. `<kind>/transform.ts` has the transform, which code can import by name,
 * and `<kind>/parts.ts` what the section becomes; both are loaded when a run has this optimizer. Nothing but the value imports `parts.ts`:
 * bundlers would not part it from what does. The table in `index.ts` has all values.
 */
import type { OptimizerConfig, OptimizerFacts } from "../../schemas/index.ts"
import type { RanksShape } from "../ranks/index.ts"
import type { Schedule } from "./schedule.ts"
import type { PartitionOptions } from "./transform.ts"

/** Learning rates over the steps of a run. */
export interface Rates {
  /** of all but the head */
  readonly body: Schedule
  /** of the head */
  readonly head: Schedule
}

/** Of a factor pair: A [rank, in], B [out, rank]. */
export interface PairShape {
  /** r */
  readonly rank: number
  /** columns of A [r, in] */
  readonly in: number
  /** rows of B [out, r] */
  readonly out: number
}

/** Numbers that are kept next to the parameters from one step to the next, without what is computed again before each. */
export interface StateSize {
  /** for a pair of this shape */
  readonly pair: (shape: PairShape) => number
  /** for each number that is trained itself */
  readonly perDense: number
  /** for a weight of the targets [out, in] that is trained itself; absent: `perDense` for each of its numbers */
  readonly matrix?: (shape: Pick<PairShape, "in" | "out">) => number
}

/** Of an optimizer's work on its pairs, what ranks of a run share and therefore tell each other; the rest every rank does for itself. */
export interface SharedWork {
  /** one rank holds a pair's state and makes its move, which the others are sent */
  readonly moves: boolean
  /** how often a step whitens its pairs, which ranks share where LoRA ranks are large (`whitening.ts`) */
  readonly whitenings: 0 | 1 | 2
}

/**
 * The LoRA rank from which ranks of a run share this work. A pair of r = 128 takes 6.1 ms on one thread of wasm, and its matrices 2.6 ms over
 * 1 Gbit/s; of r = 64 it takes 0.6 ms, and they 0.65 (out = in = 384, an Intel Xeon with AVX-512).
 */
export const SHARED_FROM = 128

/** Numbers of a pair of LoRA rank r: its smallest eigenvalue, and five matrices [r, r]. */
export const whiteningNumbers = (r: number): number => 1 + 5 * r ** 2

export const nothingShared: SharedWork = { moves: false, whitenings: 0 }
export const whitenedOnce: SharedWork = { moves: false, whitenings: 1 }

/** `count` numbers for each number of A and B. */
export const perFactor =
  (count: number): StateSize["pair"] =>
  ({ rank, in: inputs, out }) =>
    count * rank * (inputs + out)

/** Adam's; dropped from pages without plans. */
export const twoMoments: StateSize = { pair: /* @__PURE__ */ perFactor(2), perDense: 2 }

/** Adam's moments as plans write them. */
export interface PlannedMoments {
  /** β₁ and β₂, each in [0, 1) */
  readonly betas: readonly [number, number]
  /** ε, added to the root of the second moment; greater than 0 */
  readonly epsilon: number
}

type Written = typeof OptimizerConfig.Encoded

/** `moments` of an optimizer with Adam's. */
export const plannedMoments = ({ betas, epsilon }: PlannedMoments): PlannedMoments => ({ betas, epsilon })

/** Of the optimizer section, what a comparison keeps the same for all methods. */
export type SharedSettings = Pick<
  Written,
  "learningRate" | "headLearningRate" | "weightDecay" | "clipNorm" | "schedule"
>

/** A method of `compare`: this optimizer on a method of adapters. */
export interface ComparedOptimizer<Config> {
  /** in tables and plots */
  readonly label: string
  /** the method, by its name in `compare`; absent: LoRA */
  readonly on?: string
  /** worth a try */
  readonly learningRates: ReadonlyArray<number>
  /** `moments`: the plan's, where its optimizer has Adam's; `own`: the plan's section, where it is of this kind. */
  readonly section: (shared: SharedSettings, moments: Partial<PlannedMoments>, own: Config | undefined) => Written
}

/** Some fields of a plan's section, as far as it has them. */
export const pickedFrom = <Config, Field extends keyof Config>(
  section: Config | undefined,
  fields: ReadonlyArray<Field>
): Partial<Pick<Config, Field>> =>
  Object.fromEntries(
    fields.flatMap((field) => (section?.[field] === undefined ? [] : [[field, section[field]]]))
  ) as Partial<Pick<Config, Field>>

type PartOf<One> = One extends Written ? Pick<One, "kind"> & Partial<One> : never

/** An optimizer with Adam's moments as a method of `compare`. `fields`: those that a plan of its kind gives it. */
export const comparedAs = <Config>(
  section: PartOf<Written>,
  label: string,
  learningRates: ReadonlyArray<number>,
  fields: ReadonlyArray<keyof Config>
): ComparedOptimizer<Config> => ({
  label,
  learningRates,
  section: (shared, moments, own) => ({ ...section, ...pickedFrom(own, fields), ...shared, ...moments }) as Written
})

/** The transforms of the parts of a tree, for updates with gradients of the mean loss. `steps` and `ranks`: of the whole run. */
export type Parts<Config> = (config: Config, rates: Rates, steps: number, ranks: RanksShape) => PartitionOptions

export interface Optimizer<Config extends { readonly learningRate: number | "auto" }> extends OptimizerFacts<Config> {
  /** what its section becomes, where a run has this optimizer */
  readonly load: () => Promise<{
    /** makes the transforms of a run from its section */
    readonly parts: Parts<Config>
  }>
  /** The numbers that it keeps from step to step. */
  readonly state: (config: Config) => StateSize
  /** what ranks share of it */
  readonly shared: (config: Config) => SharedWork
  /** Adam's moments in a section, which a comparison hands to the other methods; null: it has none */
  readonly moments: ((config: Config) => PlannedMoments) | null
  /** by their names in `compare` */
  readonly compared: Readonly<Record<string, ComparedOptimizer<Config>>>
}
