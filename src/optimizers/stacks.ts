/**
 * Pairs of one shape side by side, [pairs, …], so that a product is one op for all of them: a model has three or four shapes of
 * layers, and a few ops for each cost the same however many layers there are.
 */
import type { Tensor2D, Tensor3D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { unstacked } from "../kernels/index.ts"
import type { FactorPair, Factors } from "../tensors/index.ts"

/** The pairs of one shape, by their places in a list of pairs. */
export interface PairStack {
  readonly indices: ReadonlyArray<number>
  readonly rank: number
  readonly in: number
  readonly out: number
}

/** A [pairs, r, in] and B [pairs, out, r]. */
export interface StackedFactors {
  readonly A: Tensor3D
  readonly B: Tensor3D
}

/** In the order of the first pair of each shape. */
export const stacksOf = (pairs: ReadonlyArray<Factors>): ReadonlyArray<PairStack> => {
  const byShape = Map.groupBy(pairs.keys(), (i) => [...pairs[i]!.A.shape, pairs[i]!.B.shape[0]].join("×"))
  return [...byShape.values()].map((indices) => {
    const { A, B } = pairs[indices[0]!]!
    return { indices, rank: A.shape[0], in: A.shape[1], out: B.shape[0] }
  })
}

/** Matrices of one shape, one for each pair of a stack, out of those of all pairs. */
export const stacked = ({ indices }: PairStack, matrixOf: (index: number) => Tensor2D): Tensor3D =>
  tf.stack(indices.map(matrixOf)) as Tensor3D

/** Factors of a stack's pairs: parameters, gradients or whatever else has their shapes. */
export const stackedFactors = (stack: PairStack, pairs: ReadonlyArray<Factors>): StackedFactors => ({
  A: stacked(stack, (i) => pairs[i]!.A),
  B: stacked(stack, (i) => pairs[i]!.B)
})

/** s of each pair of a stack: [pairs, 1, 1]. */
export const stackedScales = ({ indices }: PairStack, pairs: ReadonlyArray<FactorPair>): Tensor3D =>
  tf.tensor3d(
    indices.map((i) => pairs[i]!.scale),
    [indices.length, 1, 1]
  )

/** Back again: the factors of all pairs in their order. */
export const unstackedFactors = (
  stacks: ReadonlyArray<PairStack>,
  factors: ReadonlyArray<StackedFactors>
): ReadonlyArray<Factors> => {
  const all: Array<Factors> = []
  stacks.forEach(({ indices }, s) => {
    const [A, B] = [unstacked(factors[s]!.A), unstacked(factors[s]!.B)]
    indices.forEach((index, i) => {
      all[index] = { A: A[i]!, B: B[i]! }
    })
  })
  return all
}
