/**
 * The interface of an optimizer in plans. `<kind>/index.ts` has its facts for `validate`, `compare` and memory estimates,
 * which every page that reads plans downloads. `<kind>/transform.ts` has the transform, which code can import by name,
 * and `<kind>/parts.ts` builds the section's transforms; both are loaded when a run uses this optimizer. Only the facts' module imports `parts.ts`:
 * otherwise bundlers would put both in one chunk. The table in `index.ts` lists all optimizers.
 */
import type { OptimizerConfig, OptimizerFacts } from "../../schemas/index.ts"
import type { RanksShape } from "../ranks/index.ts"
import type { Schedule } from "./schedule.ts"
import type { PartitionOptions } from "./transform.ts"

/** Learning rates over the steps of a run. */
export interface Rates {
  /** rate of all parameters except the head's */
  readonly body: Schedule
  /** rate of the head */
  readonly head: Schedule
}

/** Shape of a factor pair: A [rank, in], B [out, rank]. */
export interface PairShape {
  /** r */
  readonly rank: number
  /** columns of A [r, in] */
  readonly in: number
  /** rows of B [out, r] */
  readonly out: number
}

/** Size of an optimizer's state in values, without values that are recomputed before each step. */
export interface StateSize {
  /** Returns the values for a pair of this shape. */
  readonly pair: (shape: PairShape) => number
  /** values per trainable parameter outside of pairs */
  readonly perDense: number
  /** values for a target weight [out, in] that is trained in full; absent: `perDense` per parameter */
  readonly matrix?: (shape: Pick<PairShape, "in" | "out">) => number
}

/** Work on pairs that the ranks of a run divide; every rank repeats the rest. */
export interface SharedWork {
  /** whether one rank holds a pair's state and computes its move, which the others receive */
  readonly moves: boolean
  /** number of times per step that pairs are whitened, which ranks divide for large LoRA ranks (`whitening.ts`) */
  readonly whitenings: 0 | 1 | 2
}

/**
 * Smallest LoRA rank for which the ranks of a run divide this work. A pair of r = 128 takes 6.1 ms on one thread of wasm, and its matrices 2.6 ms
 * over 1 Gbit/s; for r = 64 it takes 0.6 ms, and they 0.65 (out = in = 384, an Intel Xeon with AVX-512).
 */
export const SHARED_FROM = 128

/** Returns the number of values for a pair of LoRA rank r: its smallest eigenvalue, and five matrices [r, r]. */
export const whiteningNumbers = (r: number): number => 1 + 5 * r ** 2

/** Work of an optimizer that ranks do not divide. */
export const nothingShared: SharedWork = { moves: false, whitenings: 0 }
/** Work of an optimizer that whitens pairs once per step. */
export const whitenedOnce: SharedWork = { moves: false, whitenings: 1 }

/** Returns a size function of `count` values per value of A and B. */
export const perFactor =
  (count: number): StateSize["pair"] =>
  ({ rank, in: inputs, out }) =>
    count * rank * (inputs + out)

/** Adam's state; tree-shaken from pages without plans. */
export const twoMoments: StateSize = { pair: /* @__PURE__ */ perFactor(2), perDense: 2 }

/** Adam's moments in a plan. */
export interface PlannedMoments {
  /** β₁ and β₂, each in [0, 1) */
  readonly betas: readonly [number, number]
  /** ε, added to the root of the second moment; greater than 0 */
  readonly epsilon: number
}

type Written = typeof OptimizerConfig.Encoded

/** Returns the `moments` of an optimizer with Adam's. */
export const plannedMoments = ({ betas, epsilon }: PlannedMoments): PlannedMoments => ({ betas, epsilon })

/** Fields of the optimizer section that a comparison keeps equal for all methods. */
export type SharedSettings = Pick<
  Written,
  "learningRate" | "headLearningRate" | "weightDecay" | "clipNorm" | "schedule"
>

/** A method of `compare`: this optimizer with an adapter method. */
export interface ComparedOptimizer<Config> {
  /** label in tables and plots */
  readonly label: string
  /** adapter method, by its name in `compare`; default: LoRA */
  readonly on?: string
  /** learning rates to try */
  readonly learningRates: ReadonlyArray<number>
  /** Returns the optimizer section. `moments`: the plan's, if its optimizer has Adam's; `planned`: the plan's section, if it is of this kind. */
  readonly section: (shared: SharedSettings, moments: Partial<PlannedMoments>, planned: Config | undefined) => Written
}

/** Returns some fields of a plan's section, if present. */
export const pickedFrom = <Config, Field extends keyof Config>(
  section: Config | undefined,
  fields: ReadonlyArray<Field>
): Partial<Pick<Config, Field>> =>
  Object.fromEntries(
    fields.flatMap((field) => (section?.[field] === undefined ? [] : [[field, section[field]]]))
  ) as Partial<Pick<Config, Field>>

type PartOf<One> = One extends Written ? Pick<One, "kind"> & Partial<One> : never

/** Creates a method of `compare` for an optimizer with Adam's moments. `fields`: those taken from a plan of its kind. */
export const comparedAs = <Config>(
  section: PartOf<Written>,
  label: string,
  learningRates: ReadonlyArray<number>,
  fields: ReadonlyArray<keyof Config>
): ComparedOptimizer<Config> => ({
  label,
  learningRates,
  section: (shared, moments, planned) =>
    ({ ...section, ...pickedFrom(planned, fields), ...shared, ...moments }) as Written
})

/** Creates the transforms of the parts of a tree, for gradients of the mean loss. `steps` and `ranks`: of the whole run. */
export type Parts<Config> = (config: Config, rates: Rates, steps: number, ranks: RanksShape) => PartitionOptions

/** An optimizer: its facts, memory, and entries of `compare`. */
export interface Optimizer<Config extends { readonly learningRate: number | "auto" }> extends OptimizerFacts<Config> {
  /** Loads the implementation, if a run uses this optimizer. */
  readonly load: () => Promise<{
    /** creates a run's transforms from its section */
    readonly parts: Parts<Config>
  }>
  /** Returns the optimizer's state size. */
  readonly state: (config: Config) => StateSize
  /** Returns the work that ranks divide. */
  readonly shared: (config: Config) => SharedWork
  /** Returns Adam's moments in a section, which a comparison passes to the other methods; null: the optimizer has none. */
  readonly moments: ((config: Config) => PlannedMoments) | null
  /** compared methods, by their names in `compare` */
  readonly compared: Readonly<Record<string, ComparedOptimizer<Config>>>
}
