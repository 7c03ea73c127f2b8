/**
 * Rows of a table, W[:, ids]ᵀ: what a linear layer computes of one-hot rows, without the rows.
 *
 * The table is a linear weight, W [out, in], as everywhere: what is gathered are its columns, so that no table is
 * transposed. Gradients reach W, as sums over the places that named a row.
 *
 * With factors, W + s·BA: rows of Aᵀ are gathered as those of Wᵀ are, y = W[:, ids]ᵀ + A[:, ids]ᵀ·(s·B)ᵀ, and there is
 * no product over the vocabulary.
 */
import type { Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import type { FrozenMatrix } from "../tensors/index.ts"
import { denseLinear } from "./dense-linear.ts"
import { dequantized } from "./dequantize.ts"

/** Looks up columns of W by token id: ids int32 [tokens, 1] in [0, in), W [out, in] → [tokens, out]; gradient for W. */
export const embedded = (ids: Tensor2D, W: Tensor2D): Tensor2D =>
  tf.transpose(tf.gather(W, tf.reshape<tf.Rank.R1>(tf.cast(ids, "int32"), [ids.size]), 1))

/** Looks up columns of W + s·BA by token id: ids int32 [tokens, 1], W [out, in], A [r, in], B [out, r] → [tokens, out]; gradients for A and B. */
export const loraEmbedded = (ids: Tensor2D, W: FrozenMatrix, A: Tensor2D, B: Tensor2D, scale: number): Tensor2D =>
  tf.add(embedded(ids, dequantized(W)), denseLinear(embedded(ids, A), tf.mul(B, scale), null))
