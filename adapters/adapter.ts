/**
 * The contract of an adapter method: how one linear site is adapted. One file per equation.
 *
 * Laws every method keeps (test/laws/adapter.laws.test.ts runs them over the table):
 *  1. at step 0 an adapted site computes what the base computes;
 *  2. forward(x) = x · merge(W)ᵀ + bias, to float32 precision;
 *  3. forward and merge are pure: same input, same output, no tensor left behind;
 *  4. gradients equal finite differences, of everything that the method does not hold fixed in its gradient;
 *  5. a site's init depends on the seed and its name alone;
 *  6. with a mask, where there is dropout D: forward(x) is the base's of x and what the adapter adds at D(x); 1, 3 and 4
 *     as without.
 */
import type { Scalar, Tensor1D, Tensor2D } from "@tensorflow/tfjs"
import type * as Effect from "effect/Effect"
import type { DropoutMask } from "../src/kernels/dropout.ts"
import type { Transform } from "../src/optimizers/transform.ts"
import type { LinearSite } from "../src/tensors/linear.ts"
import type { FrozenMatrix } from "../src/tensors/packed-matrix.ts"
import type { DeviceReadError } from "../src/tensors/read.ts"
import type { Trainable } from "../src/tensors/trainable.ts"
import type { Calibrate, Calibration, InitError } from "./init/calibration.ts"

/**
 * The frozen layer under an adapter. W may be packed (`model.weights` of a plan): `forward` hands it to a kernel that takes it so
 * (`loraLinear`, `frozenLinear`), `init` and `merge` read it through `dequantized`.
 */
export interface BaseLayer {
  readonly W: FrozenMatrix // [out, in]
  readonly bias: Tensor1D | null // [out]
}

/** What `init` may use: the frozen layer, a random stream that depends on the plan's seed and the site's name alone, and the data. */
export interface InitSource extends BaseLayer {
  readonly random: () => number // uniform in [0, 1)
  /** what training data shows at this site; for methods that say so in `wants` */
  readonly calibrate: Calibrate
  /** other numbers will be put in their place: shapes count, and nothing is looked at or worked out (default false) */
  readonly shapesOnly?: boolean
}

/** How many numbers a site trains: in factors, and in tensors that are trained themselves. */
export interface SiteSize {
  readonly factors: number
  readonly dense: number
}

export interface SitePart<Options> {
  readonly site: LinearSite
  readonly options: Options
  readonly part: Trainable
}

export interface AdapterMethod<Options> {
  readonly method: string
  /** Why this site cannot be adapted with these options, if so; told before any weight is read. */
  readonly problem?: (site: LinearSite, options: Options) => string | undefined
  readonly size: (site: LinearSite, options: Options) => SiteSize
  /** What `init` will ask `calibrate` for; absent or undefined: nothing. */
  readonly wants?: (options: Options) => Calibration | undefined
  /** The site's trainable part at step 0. Runs once, before training. */
  readonly init: (
    site: LinearSite,
    options: Options,
    source: InitSource
  ) => Effect.Effect<Trainable, InitError | DeviceReadError>
  /** The share of its input that the adapter at this site does without in training, in [0, 1); absent: 0. */
  readonly dropout?: (site: LinearSite, options: Options) => number
  /**
   * x [tokens, in] → [tokens, out]. Synchronous tensor code. `mask`: in training, where `dropout` is not 0; the adapter
   * then sees `dropout(x, mask)`, and the frozen layer x.
   */
  readonly forward: (site: LinearSite, trained: Trainable, x: Tensor2D, base: BaseLayer, mask?: DropoutMask) => Tensor2D
  /** W′ [out, in]: the one weight that computes what the adapted site computes. */
  readonly merge: (site: LinearSite, trained: Trainable, base: BaseLayer) => Tensor2D
  /** What the loss gains from all adapted sites together. Tensor code. */
  readonly penalty?: (parts: ReadonlyArray<SitePart<Options>>) => Scalar
  /** The optimizer that a run of `steps` steps uses instead of `inner`, where the method has a say in how its parts move. */
  readonly optimizer?: (
    inner: Transform,
    sites: ReadonlyArray<{ readonly site: LinearSite; readonly options: Options }>,
    steps: number
  ) => Transform
}
