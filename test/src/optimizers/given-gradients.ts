/** Steps of a transform on one pair under given gradients of W: gA = sBᵀg and gB = sgAᵀ, in float64 from the factors as float32 holds them. */
import * as tf from "@tensorflow/tfjs"
import type { Transform } from "../../../src/optimizers/transform.ts"
import { combine, type Matrix, times, transpose } from "./matrix.ts"
import { disposeState, matrixOf, pairOf, type Run, takeStep, treeOf } from "./tensors.ts"

export interface Start {
  readonly A: Matrix
  readonly B: Matrix
  readonly s: number
}

export interface FactorsAt {
  readonly A: Matrix
  readonly B: Matrix
}

/** The factors after each step. */
export const stepsUnder = async (
  transform: Transform,
  { A, B, s }: Start,
  gradients: ReadonlyArray<Matrix>
): Promise<ReadonlyArray<FactorsAt>> => {
  const params = treeOf(pairOf(A, B, s))
  let run: Run = { params, state: transform.init(params) }
  const factors = async (): Promise<FactorsAt> => ({
    A: await matrixOf(run.params.pairs[0]!.A),
    B: await matrixOf(run.params.pairs[0]!.B)
  })
  const steps: Array<FactorsAt> = []
  let at = await factors()
  for (const g of gradients) {
    const gradient = pairOf(combine([s, times(transpose(at.B), g)]), combine([s, times(g, transpose(at.A))]), s)
    run = await takeStep(transform, run, treeOf(gradient))
    tf.dispose([gradient.A, gradient.B])
    at = await factors()
    steps.push(at)
  }
  disposeState(run.state)
  tf.dispose([run.params.pairs[0]!.A, run.params.pairs[0]!.B])
  return steps
}

/** s·BA */
export const weightOf = ({ A, B }: FactorsAt, s: number): Matrix => combine([s, times(B, A)])
