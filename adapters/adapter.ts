/**
 * The contract of an adapter method: how one linear site is adapted. One file per equation.
 *
 * Laws every method keeps (test/laws/adapter.laws.test.ts runs them over the table):
 *  1. at step 0 an adapted site computes what the base computes, but where the facts of its init say how else it starts;
 *  2. forward(x) = x · merge(W)ᵀ + bias, to float32 precision;
 *  3. forward and merge are pure: same input, same output, no tensor left behind;
 *  4. gradients equal finite differences, of everything that the method does not hold fixed in its gradient;
 *  5. a site's init depends on the seed, its name and, where the init decides ranks, its rank alone;
 *  6. with a mask, where there is dropout D: forward(x) is the base's of x and what the adapter adds at D(x); 1, 3 and 4
 *     as without.
 */
import type { Scalar, Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import type * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type { AdapterConfig, LoraOverride, MethodFacts } from "../schemas/index.ts"
import type { DropoutMask } from "../src/kernels/index.ts"
import type { RankBudget, Transform } from "../src/optimizers/index.ts"
import type { DeviceReadError, Factors, FrozenMatrix, LinearSite, Together, Trainable } from "../src/tensors/index.ts"
import type { Calibrate, Calibration, InitError } from "./init/calibration.ts"
import type { PeftLayout, SitePart } from "./peft.ts"

/**
 * The frozen layer under an adapter. W may be packed (`model.weights` of a plan): `forward` hands it to a kernel that takes it so
 * (`loraLinear`, `frozenLinear`), `init` and `merge` read it through `dequantized`.
 */
export interface BaseLayer {
  /** `[out, in]`; packed where the plan has `model.weights` */
  readonly W: FrozenMatrix
  /** `[out]`; null: the layer has none */
  readonly bias: Tensor1D | null
}

/** A site with the layer under it. */
export interface AdaptedLayer<Options> extends SitePart<Options> {
  /** the frozen layer */
  readonly base: BaseLayer
}

/** What `init` may use: the frozen layer, a random stream that depends on the plan's seed and the site's name alone, and the data. */
export interface InitSource extends BaseLayer {
  /** the next number, uniform in [0, 1) */
  readonly random: () => number
  /** what training data shows at this site; for methods that have a `calibration` */
  readonly calibrate: Calibrate
  /** other numbers will be put in their place: shapes count, and nothing is read or computed (default false) */
  readonly shapesOnly?: boolean
}

/** Numbers of a site. */
export interface SiteSize {
  /** trained in factors A and B */
  readonly factors: number
  /** trained themselves */
  readonly dense: number
  /** frozen, next to the trained ones: a pair's subtracted init */
  readonly frozen: number
  /** kept from step to step by the method itself */
  readonly state: number
  /** made of the trained ones in each forward pass and kept for the backward pass; absent: too few to count */
  readonly formed?: number
}

export type SiteOptions<Options> = Omit<SitePart<Options>, "part">

/** ΔW = s·BA */
export interface ScaledFactors extends Factors {
  /** s, which multiplies B·A */
  readonly scale: number
}

/** How adapters of a method are summed: as factors side by side, value by value, or not at all. */
export type Sum =
  | {
      readonly by: "factors"
      /** The factors of a site's part, whose B·A is its ΔW. */
      readonly factors: (part: SitePart<unknown>) => ScaledFactors
    }
  | { readonly by: "values" }
  | {
      readonly by: null
      /** why not, as the end of a sentence */
      readonly because: string
    }

/** Frozen tensors of all sites together, the same for the same sites and options. */
export interface SharedTensors<Options> {
  /** how many numbers */
  readonly size: (sites: ReadonlyArray<SiteOptions<Options>>) => number
  /** New tensors. */
  readonly tensors: (sites: ReadonlyArray<SiteOptions<Options>>) => ReadonlyArray<Tensor>
}

/** Ranks that may come to a site. */
export interface RankBounds {
  /** the fewest that the site keeps; 0: it may go without an adapter */
  readonly least: number
  /** by the plan: its share of the budget */
  readonly planned: number
  /** the most that it gets, never above min(out, in) */
  readonly most: number
}

/** How an init decides ranks (`ranks.ts`). */
export interface InitRanks<Options> {
  /** From the plan's rank of the site and the options of its init. */
  readonly bounds: (one: SiteOptions<Options>) => RankBounds
  /** what one rank at a site costs of the budget; the budget is what all planned ranks cost */
  readonly cost: (site: LinearSite) => number
  /** how much of the budget's unit the decision may round up at each site */
  readonly rounding: number
  /** A rank for each site within its bounds, in their order. Asks one site after another. */
  readonly decide: (
    sites: ReadonlyArray<SiteOptions<Options>>,
    sourceOf: (site: LinearSite) => InitSource
  ) => Effect.Effect<ReadonlyArray<number>, InitError | DeviceReadError>
  /** The options with another rank, and with what the scale s then is. */
  readonly withRank: <Own extends Options>(options: Own, rank: number) => Own
}

/** A method that gives up ranks while it trains, and therefore has to know how many steps there are. */
export interface Allocation<Options> {
  /** The ranks of a run of `steps` steps, over all sites together. */
  readonly ranks: (allOptions: ReadonlyArray<Options>, steps: number) => RankBudget
  /** The optimizer that such a run uses instead of `inner`. */
  readonly optimizer: (inner: Transform, sites: ReadonlyArray<SiteOptions<Options>>, steps: number) => Transform
}

type Written = typeof AdapterConfig.Encoded

/** What a comparison gives each method of its plan. */
export interface ComparedSections<Options> {
  /** rank and α with the plan's scale α/r, and its overrides */
  readonly rank: number
  /** α, greater than 0 */
  readonly alpha: number
  /** ranks and alphas of the plan that hold for some targets alone */
  readonly overrides: ReadonlyArray<LoraOverride>
  /** the plan's targets, and the modules next to them */
  readonly selection: Required<
    Pick<Extract<Written, { readonly method: "full" }>, "targets" | "exclude" | "modulesToSave">
  >
  /** the plan's section, where it is of this method */
  readonly own: Options | undefined
}

/** A method of `compare`: this adapter under AdamW. */
export interface ComparedAdapter<Options> {
  /** in tables and plots */
  readonly label: string
  /** without a rank there is one trial for all of `--ranks` */
  readonly ranked: boolean
  /** worth a try */
  readonly learningRates: ReadonlyArray<number>
  /** The adapter section of a trial's plan. */
  readonly section: (sections: ComparedSections<Options>) => Written
}

// biome-ignore lint/suspicious/noExplicitAny: a method of one's own has no section
export interface AdapterMethod<Options, Section = any> extends MethodFacts {
  /**
   * The schema of a plan's section of the method: options of `inject` are decoded by it. Absent, or with a tag that no plan has: they are
   * taken as given.
   */
  readonly section?: Schema.Codec<AdapterConfig, Section> | undefined
  /** Why this site cannot be adapted with these options, if so; reported before any weight is read. Absent: every site can be. */
  readonly problem?: (site: LinearSite, options: Options) => string | undefined
  /** Numbers that a site gets: trained factors, trained dense numbers, frozen ones, and the method's own state. */
  readonly size: (site: LinearSite, options: Options) => SiteSize
  /** whether `forward` keeps another [tokens, out] of each site for the backward pass */
  readonly keepsOutputs: boolean
  /** The columns of a site in `validate`: its rank, α … */
  readonly columns: (options: Options) => Readonly<Record<string, number>>
  /** What `init` asks of the training data; null: nothing, whatever the options. */
  readonly calibration: ((options: Options) => Calibration | undefined) | null
  /** How its init decides ranks; undefined: they are the plan's. null: that is so whatever the options. */
  readonly initRanks: ((options: Options) => InitRanks<Options> | undefined) | null
  /** The site's trainable part at step 0. Runs once, before training. */
  readonly init: (
    site: LinearSite,
    options: Options,
    source: InitSource
  ) => Effect.Effect<Trainable, InitError | DeviceReadError>
  /** Frozen tensors that all sites share; null: the method has none. */
  readonly shared: SharedTensors<Options> | null
  /** The dropout rate on the adapter's input, in [0, 1); null: it has no dropout. */
  readonly dropout: ((site: LinearSite, options: Options) => number) | null
  /**
   * x [tokens, in] → [tokens, out]. Synchronous tensor code. `mask`: in training, where `dropout` is not 0; the adapter
   * then sees `dropout(x, mask)`, and the frozen layer x.
   */
  readonly forward: (site: SitePart<Options>, x: Tensor2D, base: BaseLayer, mask?: DropoutMask) => Tensor2D
  /**
   * `forward` of several sites that read one x, without masks, as one kernel, or of one and GELU of what it gives; undefined where it has
   * none for these. Absent for a method without such a kernel.
   */
  readonly together?: Together<AdaptedLayer<Options>>
  /** W′ [out, in]: the one weight that computes what the adapted site computes. */
  readonly merge: (site: SitePart<Options>, base: BaseLayer) => Tensor2D
  /** whether the site's bias is trained too: merging then replaces it with the trained one */
  readonly trainsBias: boolean
  /** What the loss gains from all adapted sites together, tensor code; null: nothing. */
  readonly penalty: ((parts: ReadonlyArray<SitePart<Options>>) => Scalar) | null
  /** How ranks are given up while training (AdaLoRA); null: they stay. */
  readonly allocation: Allocation<Options> | null
  /** Sums adapters of the method; or the reason why they cannot be summed. */
  readonly sum: Sum
  /** How PEFT stores them, or why it does not. */
  readonly peft:
    | {
        /** its tensors as PEFT names and arranges them; null: PEFT has no form for the method */
        readonly layout: PeftLayout<Options>
      }
    | {
        readonly layout: null
        /** why not, as the end of a sentence */
        readonly because: string
      }
  /** by their names in `compare` */
  readonly compared: Readonly<Record<string, ComparedAdapter<Options>>>
}
