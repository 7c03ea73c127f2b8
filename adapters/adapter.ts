/**
 * The interface of an adapter method, which adapts one linear layer. One file per equation.
 *
 * Every method satisfies these laws (test/laws/adapter.laws.test.ts checks them for all methods):
 *  1. at step 0 an adapted layer computes what its base computes, unless the facts of its init state otherwise;
 *  2. forward(x) = x · merge(W)ᵀ + bias, to float32 precision;
 *  3. forward and merge are pure: the same input gives the same output, and no tensor leaks;
 *  4. gradients equal finite differences, except for what the method holds constant in its gradient;
 *  5. a layer's init depends on the seed, its name and, if the init decides ranks, its rank only;
 *  6. with a mask, for dropout D: forward(x) is the base's output for x plus the adapter's for D(x); 1, 3 and 4
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
 * The frozen layer under an adapter. W may be packed (`model.weights` of a plan): `forward` passes it to a kernel that supports this
 * (`loraLinear`, `frozenLinear`), `init` and `merge` read it through `dequantized`.
 */
export interface BaseLayer {
  /** weight `[out, in]`; packed if the plan has `model.weights` */
  readonly W: FrozenMatrix
  /** bias `[out]`; null: the layer has none */
  readonly bias: Tensor1D | null
}

/** An adapted layer with its base layer. */
export interface AdaptedLayer<Options> extends SitePart<Options> {
  /** the frozen layer */
  readonly base: BaseLayer
}

/** Inputs of `init`: the frozen layer, a random stream that depends on the plan's seed and the layer's name only, and the data. */
export interface InitSource extends BaseLayer {
  /** Returns the next random number, uniform in [0, 1). */
  readonly random: () => number
  /** calibration on training data at this layer; for methods that have a `calibration` */
  readonly calibrate: Calibrate
  /** whether only the shapes of the result matter, because its values will be replaced; default false */
  readonly shapesOnly?: boolean
}

/** Number of values that a layer needs, by role. */
export interface SiteSize {
  /** trainable parameters in factors A and B */
  readonly factors: number
  /** trainable parameters that are not factors */
  readonly dense: number
  /** frozen values in addition to the base: a pair's subtracted init */
  readonly frozen: number
  /** values that the method itself keeps between steps */
  readonly state: number
  /** values that each forward pass forms and keeps for the backward pass; absent: negligible */
  readonly formed?: number
}

/** A layer with its options. */
export type SiteOptions<Options> = Omit<SitePart<Options>, "part">

/** Factors with their scale: ΔW = s·BA. */
export interface ScaledFactors extends Factors {
  /** scale s of B·A */
  readonly scale: number
}

/** Summation of a method's adapters: by concatenating factors, value by value, or not at all. */
export type Sum =
  | {
      readonly by: "factors"
      /** Returns the factors of a layer's part, whose B·A is its ΔW. */
      readonly factors: (part: SitePart<unknown>) => ScaledFactors
    }
  | { readonly by: "values" }
  | {
      readonly by: null
      /** why they cannot be summed, as the end of a sentence */
      readonly because: string
    }

/** Frozen tensors that all layers share, the same for the same layers and options. */
export interface SharedTensors<Options> {
  /** Returns the number of values. */
  readonly size: (sites: ReadonlyArray<SiteOptions<Options>>) => number
  /** Returns new tensors. */
  readonly tensors: (sites: ReadonlyArray<SiteOptions<Options>>) => ReadonlyArray<Tensor>
}

/** Bounds of a layer's rank. */
export interface RankBounds {
  /** smallest rank; 0: the layer may remain without an adapter */
  readonly least: number
  /** rank in the plan: the layer's contribution to the budget */
  readonly planned: number
  /** largest rank, at most min(out, in) */
  readonly most: number
}

/** An init that decides ranks (`ranks.ts`). */
export interface InitRanks<Options> {
  /** Returns the bounds from the plan's rank of the layer and the options of its init. */
  readonly bounds: (one: SiteOptions<Options>) => RankBounds
  /** cost of one rank at a layer; the budget is the total cost of the planned ranks */
  readonly cost: (site: LinearSite) => number
  /** fraction of the budget's unit by which the decision may round up at each layer */
  readonly rounding: number
  /** Returns a rank within the bounds for each layer, in their order. Requests one layer after another. */
  readonly decide: (
    sites: ReadonlyArray<SiteOptions<Options>>,
    sourceOf: (site: LinearSite) => InitSource
  ) => Effect.Effect<ReadonlyArray<number>, InitError | DeviceReadError>
  /** Returns the options with another rank, and with the scale s that follows from it. */
  readonly withRank: <Own extends Options>(options: Own, rank: number) => Own
}

/** Rank allocation of a method that reduces ranks during training, and therefore needs the number of steps. */
export interface Allocation<Options> {
  /** Returns the rank budget of a run of `steps` steps, over all layers. */
  readonly ranks: (allOptions: ReadonlyArray<Options>, steps: number) => RankBudget
  /** Returns the optimizer that such a run uses instead of `inner`. */
  readonly optimizer: (
    inner: Transform,
    sites: ReadonlyArray<SiteOptions<Options>>,
    steps: number
  ) => Effect.Effect<Transform>
}

type Written = typeof AdapterConfig.Encoded

/** Settings that a comparison passes to each method of its plan. */
export interface ComparedSections<Options> {
  /** rank; with α it gives the plan's scale α/r */
  readonly rank: number
  /** α, greater than 0 */
  readonly alpha: number
  /** ranks and alphas of the plan for particular targets */
  readonly overrides: ReadonlyArray<LoraOverride>
  /** the plan's targets, and the modules to save */
  readonly selection: Required<
    Pick<Extract<Written, { readonly method: "full" }>, "targets" | "exclude" | "modulesToSave">
  >
  /** the plan's section, if it is of this method */
  readonly options: Options | undefined
}

/** A method of `compare`: this adapter with AdamW. */
export interface ComparedAdapter<Options> {
  /** label in tables and plots */
  readonly label: string
  /** whether the method has a rank; without one there is a single trial for all of `--ranks` */
  readonly ranked: boolean
  /** learning rates to try */
  readonly learningRates: ReadonlyArray<number>
  /** Returns the adapter section of a trial's plan. */
  readonly section: (sections: ComparedSections<Options>) => Written
}

/** An adapter method. */
// biome-ignore lint/suspicious/noExplicitAny: a method of one's own has no section
export interface AdapterMethod<Options, Section = any> extends MethodFacts {
  /**
   * Schema of the method's section in a plan, by which options of `inject` are decoded. Absent, or with a tag that no plan has: options are
   * used unchanged.
   */
  readonly section?: Schema.Codec<AdapterConfig, Section> | undefined
  /** Returns why a layer cannot be adapted with these options, or undefined; reported before any weight is read. Absent: no restriction. */
  readonly problem?: (site: LinearSite, options: Options) => string | undefined
  /** Returns a layer's sizes: trainable factors, other trainable parameters, frozen values, and the method's own state. */
  readonly size: (site: LinearSite, options: Options) => SiteSize
  /** whether `forward` keeps an additional [tokens, out] per layer for the backward pass */
  readonly keepsOutputs: boolean
  /** Returns the columns of a layer in `validate`: its rank, α … */
  readonly columns: (options: Options) => Readonly<Record<string, number>>
  /** Returns the training data that `init` needs, or null for none with any options. */
  readonly calibration: ((options: Options) => Calibration | undefined) | null
  /** Returns how the init decides ranks; undefined: the plan sets them. null: the plan always does. */
  readonly initRanks: ((options: Options) => InitRanks<Options> | undefined) | null
  /** Creates a layer's trainable part at step 0. Runs once, before training. */
  readonly init: (
    site: LinearSite,
    options: Options,
    source: InitSource
  ) => Effect.Effect<Trainable, InitError | DeviceReadError>
  /** frozen tensors that all layers share; null: none */
  readonly shared: SharedTensors<Options> | null
  /** Returns the dropout rate on the adapter's input, in [0, 1); null: the method has no dropout. */
  readonly dropout: ((site: LinearSite, options: Options) => number) | null
  /**
   * Computes x [tokens, in] → [tokens, out]. Synchronous tensor code. `mask`: in training with dropout; the adapter
   * then sees `dropout(x, mask)`, and the frozen layer x.
   */
  readonly forward: (site: SitePart<Options>, x: Tensor2D, base: BaseLayer, mask?: DropoutMask) => Tensor2D
  /**
   * Computes `forward` of several layers with the same input, without masks, in one kernel, or of one layer followed by GELU; returns undefined
   * if the kernel does not support these. Absent: the method has no such kernel.
   */
  readonly together?: Together<AdaptedLayer<Options>>
  /** Returns W′ [out, in], the weight of a plain layer that computes the adapted layer's output. */
  readonly merge: (site: SitePart<Options>, base: BaseLayer) => Tensor2D
  /** whether the layer's bias is trained too: merging then replaces it with the trained one */
  readonly trainsBias: boolean
  /** Returns the penalty of all adapted layers, which is added to the loss; tensor code. null: no penalty. */
  readonly penalty: ((parts: ReadonlyArray<SitePart<Options>>) => Scalar) | null
  /** rank allocation during training (AdaLoRA); null: ranks are constant */
  readonly allocation: Allocation<Options> | null
  /** summation of the method's adapters, or why they cannot be summed */
  readonly sum: Sum
  /** storage in PEFT's layout, or why it is not supported */
  readonly peft:
    | {
        /** PEFT's tensor names and shapes for the method */
        readonly layout: PeftLayout<Options>
      }
    | {
        readonly layout: null
        /** why PEFT's layout is not supported, as the end of a sentence */
        readonly because: string
      }
  /** compared methods, by their names in `compare` */
  readonly compared: Readonly<Record<string, ComparedAdapter<Options>>>
}
