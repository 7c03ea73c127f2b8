/**
 * Stacks of pairs of equal shape, [pairs, …], so that one op computes a product for all of them: a model has three or four shapes of
 * layers, and a few ops per shape cost the same for any number of layers.
 */
import type { Tensor2D, Tensor3D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { unstacked } from "../kernels/index.ts"
import type { FactorPair, Factors } from "../tensors/index.ts"

/** Pairs of one shape, by index in a list of pairs. */
export interface PairStack {
  readonly indices: ReadonlyArray<number>
  readonly rank: number
  readonly in: number
  readonly out: number
}

/** Stacked factors: A [pairs, r, in] and B [pairs, out, r]. */
export interface StackedFactors {
  readonly A: Tensor3D
  readonly B: Tensor3D
}

/** Returns the stacks, in the order of the first pair of each shape. */
export const stacksOf = (pairs: ReadonlyArray<Factors>): ReadonlyArray<PairStack> => {
  const byShape = Map.groupBy(pairs.keys(), (i) => [...pairs[i]!.A.shape, pairs[i]!.B.shape[0]].join("×"))
  return [...byShape.values()].map((indices) => {
    const { A, B } = pairs[indices[0]!]!
    return { indices, rank: A.shape[0], in: A.shape[1], out: B.shape[0] }
  })
}

/** Stacks one matrix per pair of a stack. */
export const stacked = ({ indices }: PairStack, matrixOf: (index: number) => Tensor2D): Tensor3D =>
  tf.stack(indices.map(matrixOf)) as Tensor3D

/** Stacks the factors of a stack's pairs: parameters, gradients or other tensors of their shapes. */
export const stackedFactors = (stack: PairStack, pairs: ReadonlyArray<Factors>): StackedFactors => ({
  A: stacked(stack, (i) => pairs[i]!.A),
  B: stacked(stack, (i) => pairs[i]!.B)
})

/** Returns s of each pair of a stack, shape [pairs, 1, 1]. */
export const stackedScales = ({ indices }: PairStack, pairs: ReadonlyArray<FactorPair>): Tensor3D =>
  tf.tensor3d(
    indices.map((i) => pairs[i]!.scale),
    [indices.length, 1, 1]
  )

/** Returns the factors of all pairs in their order. */
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
