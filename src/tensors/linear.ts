/**
 * Linear layers as data: *where* a linear map is in a model (`LinearSite`), and *how* it is computed (`Linear`), kept apart.
 *
 * A model's forward pass calls `linear(site, x)` for every linear layer. Who calls the forward pass decides what that means:
 * the frozen base, the base plus an adapter, a trained weight. Injection is therefore partial application, with no module
 * replaced and nothing to undo.
 */
import type { Tensor, Tensor2D } from "@tensorflow/tfjs"

/** Where a linear map is. `name` is the module's path inside the family's backbone, e.g. `encoder.layer.0.attention.self.query`. */
export interface LinearSite {
  readonly name: string
  /**
   * What its inputs are. `dense`: rows of x [tokens, in]. `conv`: the patches under a convolution's kernel, one row for each place that
   * it is applied at, [places, kernel · channels], so that W is the kernel as a matrix. `embedding`: row numbers of a table, x int32
   * [tokens, 1], in place of the one-hot rows that W [out, in] would be multiplied with; W is the table's transpose.
   */
  readonly kind: "dense" | "conv" | "embedding"
  /** the part of a transformer block that it belongs to, where it belongs to one */
  readonly part?: "attention" | "mlp"
  /** rows of W */
  readonly out: number
  /** columns of W */
  readonly in: number
  /** false: no bias is added here; absent: one is */
  readonly bias?: false
}

/** Computes one linear layer. x: [tokens, in] → [tokens, out]; at an embedding x is int32 [tokens, 1]. */
export type Linear = (site: LinearSite, x: Tensor2D) => Tensor2D

/**
 * Looks up a model parameter by its name in the family's naming, e.g. `encoder.layer.0.attention.self.query.weight`.
 * Linear weights are [out, in] whatever the checkpoint's own layout. Throws on a name the model does not have: that is a bug
 * in a model family, never a user's error.
 */
export type Weights = (name: string) => Tensor
