/** The smallest fine-tuning there is, one factor pair towards a matrix, with gradients in float64. */
import type { Transform } from "../../../src/optimizers/transform.ts"
import type { FactorPair } from "../../../src/tensors/trainable.ts"
import { combine, type Matrix, make, random, randomMatrix, rounded, times, transpose } from "./matrix.ts"
import { disposeState, matrixOf, pairOf, type Run, takeStep, treeOf } from "./tensors.ts"

export interface Pair {
  readonly A: Matrix // [r, in]
  readonly B: Matrix // [out, r]
}

/** ½‖s·BA − T‖²: the gradient of W is s·BA − T. */
export interface Problem {
  readonly scale: number
  readonly T: Matrix
}

export const weightOf = ({ scale }: Problem, { A, B }: Pair): Matrix => combine([scale, times(B, A)])

export const gradientsOf = (problem: Problem, pair: Pair): Pair => {
  const g = combine([1, weightOf(problem, pair)], [-1, problem.T])
  return {
    A: combine([problem.scale, times(transpose(pair.B), g)]),
    B: combine([problem.scale, times(g, transpose(pair.A))])
  }
}

export const valuesOf = async ({ A, B }: FactorPair): Promise<Pair> => ({ A: await matrixOf(A), B: await matrixOf(B) })

/** The factors after each step. */
export const descend = async (optimizer: Transform, problem: Problem, start: Pair, steps: number) => {
  const params = treeOf(pairOf(start.A, start.B, problem.scale))
  let run: Run = { params, state: optimizer.init(params) }
  const path: Array<Pair> = []
  for (let step = 0; step < steps; step++) {
    const gradients = gradientsOf(problem, await valuesOf(run.params.pairs[0]!))
    run = await takeStep(optimizer, run, treeOf(pairOf(gradients.A, gradients.B, problem.scale)))
    path.push(await valuesOf(run.params.pairs[0]!))
  }
  disposeState(run.state)
  return path
}

/** A target of full rank, three directions, and a start with B = 0. */
export const problemOf = (seed: number): { readonly problem: Problem; readonly start: Pair } => {
  const next = random(seed)
  const start = { A: rounded(randomMatrix(3, 12, next, 0.3)), B: make(9, 3, () => 0) }
  return { problem: { scale: 2, T: rounded(randomMatrix(9, 12, next)) }, start }
}
