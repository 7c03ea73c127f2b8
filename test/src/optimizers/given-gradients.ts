/** Steps of a transform on one pair under given gradients of W: gA = sBᵀg and gB = sgAᵀ, in float64 from the factors as float32 holds them. */
import { test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import type { Transform } from "../../../src/optimizers/transform.ts"
import {
  combine,
  conditioned,
  deviation,
  inverse,
  type Matrix,
  random,
  randomMatrix,
  rounded,
  times,
  transpose
} from "./matrix.ts"
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

export interface Case extends Start {
  readonly name: string
  readonly gradients: ReadonlyArray<Matrix>
}

/** Random shapes, ranks and scales; cond 10 on both factors. */
const caseOf = (seed: number): Case => {
  const next = random(seed)
  const integer = (low: number, high: number) => low + Math.floor(next() * (high - low + 1))
  const r = seed % 5 === 0 ? 1 : integer(2, 6)
  const [out, columns] = [integer(r, 24), integer(r, 24)]
  return {
    name: `seed ${seed}: ${out}×${columns}, r = ${r}`,
    A: rounded(transpose(conditioned(columns, r, 1, next))),
    B: rounded(conditioned(out, r, 1, next)),
    s: 2 ** integer(-1, 2),
    gradients: Array.from({ length: 6 }, () => randomMatrix(out, columns, next))
  }
}

/** One law over all cases; a failure names the case. */
export const lawOfSteps = (name: string, check: (c: Case) => Promise<void>) => {
  test(name, async () => {
    for (let seed = 1; seed <= 6; seed++) {
      const c = caseOf(seed)
      await check(c).catch((cause) => {
        throw new Error(`${c.name}: ${cause instanceof Error ? cause.message : String(cause)}`)
      })
    }
  })
}

/** The same product, split by R. */
export const gauged = (c: Case, R: Matrix): Case => ({
  ...c,
  B: rounded(times(c.B, R)),
  A: rounded(times(inverse(R), c.A))
})

/** The largest difference of W between two trajectories, after any step. */
export const apart = (one: ReadonlyArray<FactorsAt>, two: ReadonlyArray<FactorsAt>, s: number): number =>
  Math.max(...one.map((at, t) => deviation(weightOf(at, s), weightOf(two[t]!, s))))
