/** Rotary positions: what they are for. Values and gradients stand in laws.test.ts. */
import { expect, test } from "bun:test"
import type { Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { rope } from "../../../src/kernels/rope.ts"
import { describeOnEach } from "../../backends.ts"
import { expectClose, tolerance } from "../../setup.ts"
import { normals } from "./float64.ts"

const D = 10
const HEADS = 3

/** [tokens, d] of tokens at these positions */
const angles = (positions: ReadonlyArray<number>, f: (x: number) => number): Tensor2D =>
  tf.tensor2d(
    positions.flatMap((t) => Array.from({ length: D }, (_, j) => f(t / 100 ** ((2 * (j % (D / 2))) / D)))),
    [positions.length, D]
  )

const turned = (x: Tensor2D, positions: ReadonlyArray<number>) =>
  rope(x, angles(positions, Math.cos), angles(positions, Math.sin))

describeOnEach(() => {
  test("a column and its partner half a head away turn together", async () => {
    const x = normals(2 * HEADS * D, "x")
    const expected = Float64Array.from(x)
    for (const [t, position] of [0, 7].entries())
      for (let h = 0; h < HEADS; h++)
        for (let j = 0; j < D / 2; j++) {
          const at = (t * HEADS + h) * D + j
          const angle = position / 100 ** ((2 * j) / D)
          expected[at] = x[at]! * Math.cos(angle) - x[at + D / 2]! * Math.sin(angle)
          expected[at + D / 2] = x[at + D / 2]! * Math.cos(angle) + x[at]! * Math.sin(angle)
        }
    const actual = turned(tf.tensor2d(x, [2, HEADS * D]), [0, 7])
    expectClose(await actual.data(), expected, tolerance.operation)
  })

  test("products of queries and keys know only how far apart they stand", async () => {
    const pair = tf.tensor2d(normals(2 * HEADS * D, "pair"), [2, HEADS * D])
    const product = async (positions: ReadonlyArray<number>) => {
      const [q, k] = tf.split(turned(pair, positions), 2)
      return tf.sum(tf.reshape(tf.mul(q!, k!), [HEADS, D]), 1).data()
    }
    const expected = await product([5, 2])
    // sums of ten products of either sign
    expectClose(await product([45, 42]), expected, 1e-5)
    const other = await product([5, 3])
    expect(Math.max(...other.map((x, i) => Math.abs(x - expected[i]!)))).toBeGreaterThan(0.1)
  })

  test("position 0 changes no bit", async () => {
    const x = normals(HEADS * D, "first")
    expect(await turned(tf.tensor2d(x, [1, HEADS * D]), [0]).data()).toEqual(x)
  })
})
