/**
 * Losses over vectors of texts that belong together, [texts·rows, width]: the first texts of all rows, then the second, then the third.
 * They compare directions: cos is the cosine of two vectors, which does not depend on their lengths.
 *
 *   contrast        1/n Σ_i −log softmax_j(cos(a_i, c_j)/τ)_i      c: the positives, then the negatives. InfoNCE (van den Oord et al. 2018,
 *                   arXiv 1807.03748); sentence-transformers' MultipleNegativesRankingLoss with scale 1/τ
 *   cosent          log(1 + Σ exp((cos_i − cos_j)/τ)) over pairs of rows whose scores are s_i < s_j; sentence-transformers' CoSENTLoss
 *   cosine          1/n Σ_i (cos_i − s_i)²; sentence-transformers' CosineSimilarityLoss
 *
 * Nested sizes (Matryoshka, Kusupati et al. 2022, arXiv 2205.13147): the sum of a loss over vectors cut to each size.
 *
 * Synchronous tensor code.
 */
import type { Scalar, Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { sparseCrossEntropy } from "../../../kernels/index.ts"
import { unitRows } from "../../../models/index.ts"

/** The targets of a batch of vectors. */
export interface RelatedTarget {
  /** number of texts per row */
  readonly texts: number
  /** scores [rows]; 0 for rows without one */
  readonly scores: Tensor1D
}

/** A loss: vectors [texts·rows, width] and their targets → scalar. */
export type RelatedLoss = (vectors: Tensor2D, target: RelatedTarget) => Scalar

/** Returns the unit vectors of the rows' first texts, and those of their other texts. */
const parted = (vectors: Tensor2D, texts: number): readonly [Tensor2D, Tensor2D] => {
  const unit = unitRows(vectors)
  const [count, width] = unit.shape
  const rows = count / texts
  return [tf.slice(unit, [0, 0], [rows, width]), tf.slice(unit, [rows, 0], [count - rows, width])]
}

/** Returns the contrastive loss: each first text's second text against all second and third texts of the batch. */
export const contrast =
  (temperature: number): RelatedLoss =>
  (vectors, { texts }) => {
    const [anchors, candidates] = parted(vectors, texts)
    const cosines = tf.matMul(anchors, candidates, false, true)
    return sparseCrossEntropy(tf.div(cosines, temperature), tf.range(0, anchors.shape[0], 1, "int32"))
  }

/** Returns the cosine of each row's two texts, shape [rows]. */
const cosines = (vectors: Tensor2D, texts: number): Tensor1D => {
  const [first, second] = parted(vectors, texts)
  return tf.sum(tf.mul(first, second), 1)
}

// torch.finfo's minimum, as for masked logits: its exp is 0
const NEVER = -1e12

/** Returns the CoSENT loss, which uses only the order of scores. */
export const cosent =
  (temperature: number): RelatedLoss =>
  (vectors, { texts, scores }) => {
    const scaled = tf.div(cosines(vectors, texts), temperature)
    const differences = tf.sub(tf.expandDims(scaled, 1), tf.expandDims(scaled, 0))
    const wrong = tf.less(tf.expandDims(scores, 1), tf.expandDims(scores, 0))
    const counted = tf.where(wrong, differences, tf.fill(differences.shape, NEVER))
    return tf.logSumExp(tf.concat([tf.zeros([1]), tf.reshape(counted, [-1])]))
  }

/** Mean squared error between cosines and scores. */
export const cosineError: RelatedLoss = (vectors, { texts, scores }) =>
  tf.mean(tf.square(tf.sub(cosines(vectors, texts), scores)))

/** Returns the sum of `loss` over vectors cut to each of `sizes` coordinates. */
export const nested =
  (loss: RelatedLoss, sizes: ReadonlyArray<number>): RelatedLoss =>
  (vectors, target) =>
    tf.addN(sizes.map((size) => loss(tf.slice(vectors, [0, 0], [vectors.shape[0], size]), target)))
