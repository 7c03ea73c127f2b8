/** Manners of optimizers that move stacks of pairs: what is no number stays in its pair and shows there, and nothing is left behind. */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import type { Transform } from "../../../src/optimizers/transform.ts"
import { type Trainable, tensorsOf } from "../../../src/tensors/trainable.ts"
import { random, randomMatrix } from "./matrix.ts"
import { disposeState, pairOf, type Run, takeStep } from "./tensors.ts"

/** Pairs of two shapes, two of the first; the same values at every call, but for the first B where it is `filled`. */
export const treeOfShapes = (filled?: number): Trainable => {
  const next = random(7)
  const pair = (out: number, columns: number, r: number, name: string) =>
    pairOf(randomMatrix(r, columns, next), randomMatrix(out, r, next), 2, name)
  const [one, ...others] = [pair(6, 9, 2, "first"), pair(8, 5, 3, "second"), pair(6, 9, 2, "third")]
  const B = filled === undefined ? one!.B : tf.fill<tf.Rank.R2>([6, 2], filled)
  return {
    pairs: [{ ...one!, B }, ...others],
    dense: [{ name: "bias", role: "body", value: tf.tensor1d([1, -2, 3]) }]
  }
}

const values = (t: Trainable) => Promise.all(tensorsOf(t).map(async (x) => Array.from(await x.data())))

const trained = async (transform: Transform, params: Trainable) => {
  let run: Run = { params, state: transform.init(params) }
  for (let step = 0; step < 2; step++) run = await takeStep(transform, run, treeOfShapes())
  return values(run.params)
}

export const manners = (makers: ReadonlyArray<() => Transform>): void => {
  test("a factor that is not finite shows in its pair, and stays there", async () => {
    for (const make of makers) {
      const [, , ...expected] = await trained(make(), treeOfShapes())
      const [A, B, ...others] = await trained(make(), treeOfShapes(Number.NaN))
      expect(others).toEqual(expected)
      expect([A, B].flat().some((x) => Number.isNaN(x))).toBe(true)
    }
  })

  test("no tensor and no buffer is left behind over 20 steps", async () => {
    for (const make of makers) {
      const transform = make()
      const [gradients, params] = [treeOfShapes(), treeOfShapes()]
      let run: Run = { params, state: transform.init(params) }
      run = await takeStep(transform, run, gradients)
      const { numTensors, numDataBuffers, numBytes } = tf.memory()
      for (let i = 0; i < 20; i++) run = await takeStep(transform, run, gradients)
      const after = tf.memory()
      expect([after.numTensors, after.numDataBuffers, after.numBytes]).toEqual([numTensors, numDataBuffers, numBytes])
      disposeState(run.state)
    }
  })
}
