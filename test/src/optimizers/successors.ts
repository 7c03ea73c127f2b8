/** Trajectories of the authors' own optimizers (test/golden/successors), followed by ours on the same gradients of W. */
import { expect } from "bun:test"
import { readFileSync } from "node:fs"
import * as tf from "@tensorflow/tfjs"
import type { Transform } from "../../../src/optimizers/transform.ts"
import { combine, deviation, type Matrix, times, transpose } from "./matrix.ts"
import { disposeState, matrixOf, pairOf, type Run, takeStep, treeOf } from "./tensors.ts"

interface Trajectory<Options> {
  readonly s: number
  readonly options: Options
  readonly A0: Matrix
  readonly B0: Matrix
  /** of W, for each step */
  readonly G: ReadonlyArray<Matrix>
  /** after each step */
  readonly A: ReadonlyArray<Matrix>
  readonly B: ReadonlyArray<Matrix>
}

export const trajectory = <Options>(file: string): Trajectory<Options> =>
  JSON.parse(readFileSync(new URL(`../../golden/successors/${file}.json`, import.meta.url), "utf8"))

/** Gradients of the factors, sBᵀG and sGAᵀ, in float64 from the factors as float32 holds them. */
const gradientsOf = (s: number, G: Matrix, A: Matrix, B: Matrix) =>
  treeOf(pairOf(combine([s, times(transpose(B), G)]), combine([s, times(G, transpose(A))]), s))

/** Every step of a trajectory, each factor within `bound` of the largest entry. */
export const follow = async ({ s, A0, B0, G, A, B }: Trajectory<unknown>, transform: Transform, bound: number) => {
  const params = treeOf(pairOf(A0, B0, s))
  let run: Run = { params, state: transform.init(params) }
  for (const [t, g] of G.entries()) {
    const [pair] = run.params.pairs
    const gradients = gradientsOf(s, g, await matrixOf(pair!.A), await matrixOf(pair!.B))
    run = await takeStep(transform, run, gradients)
    tf.dispose(gradients.pairs.flatMap((own) => [own.A, own.B]))
    expect(deviation(await matrixOf(run.params.pairs[0]!.A), A[t]!)).toBeLessThan(bound)
    expect(deviation(await matrixOf(run.params.pairs[0]!.B), B[t]!)).toBeLessThan(bound)
  }
  disposeState(run.state)
  tf.dispose(run.params.pairs.flatMap((own) => [own.A, own.B]))
}
