/**
 * The contract of an adapter method: how one linear site is adapted. One file per equation.
 *
 * Laws every method keeps (test/laws/adapter.laws.test.ts runs them over the table):
 *  1. at its start an adapted site computes what the base computes, unless the method says it changes the base;
 *  2. forward(x) = x · merge(W)ᵀ + bias, to float32 precision;
 *  3. forward and merge are pure: same input, same output, no tensor left behind;
 *  4. gradients equal finite differences.
 */
import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs"
import type * as Effect from "effect/Effect"
import type { LinearSite } from "../src/tensors/linear.ts"
import type { FrozenMatrix } from "../src/tensors/packed-matrix.ts"
import type { Trainable } from "../src/tensors/trainable.ts"

/**
 * The frozen layer under an adapter. W may be packed (`model.weights` of a plan): `forward` hands it to a kernel that takes it so
 * (`loraLinear`, `frozenLinear`), `init` and `merge` read it through `widened`.
 */
export interface BaseLayer {
  readonly W: FrozenMatrix // [out, in]
  readonly bias: Tensor1D | null // [out]
}

/** What `init` may use: the frozen layer and a random stream that depends on the plan's seed and the site's name alone. */
export interface InitSource extends BaseLayer {
  readonly random: () => number // uniform in [0, 1)
}

export interface AdapterMethod<Options> {
  readonly method: string
  /** Why this site cannot be adapted with these options, if so; told before any weight is read. */
  readonly problem?: (site: LinearSite, options: Options) => string | undefined
  /** The site's trainable part at step 0. Runs once, before training. */
  readonly init: (site: LinearSite, options: Options, source: InitSource) => Effect.Effect<Trainable>
  /** x [tokens, in] → [tokens, out]. Synchronous tensor code. */
  readonly forward: (site: LinearSite, trained: Trainable, x: Tensor2D, base: BaseLayer) => Tensor2D
  /** W′ [out, in]: the one weight that computes what the adapted site computes. */
  readonly merge: (site: LinearSite, trained: Trainable, base: BaseLayer) => Tensor2D
}
