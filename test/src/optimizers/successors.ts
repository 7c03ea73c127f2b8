/** Trajectories of the authors' own optimizers (test/golden/successors), followed by ours on the same gradients of W. */
import { expect } from "bun:test"
import { readFileSync } from "node:fs"
import type { Transform } from "../../../src/optimizers/transform.ts"
import { stepsUnder } from "./given-gradients.ts"
import { deviation, type Matrix } from "./matrix.ts"

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

/** Every step of a trajectory, each factor within `bound` of the largest entry. */
export const follow = async ({ s, A0, B0, G, A, B }: Trajectory<unknown>, transform: Transform, bound: number) => {
  const steps = await stepsUnder(transform, { A: A0, B: B0, s }, G)
  expect(steps).toHaveLength(A.length)
  for (const [t, at] of steps.entries()) {
    expect(deviation(at.A, A[t]!)).toBeLessThan(bound)
    expect(deviation(at.B, B[t]!)).toBeLessThan(bound)
  }
}
