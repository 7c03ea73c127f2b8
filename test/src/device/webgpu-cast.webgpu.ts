/** A cast to float32 gives floats to every kernel, ours too: their sums and means once read the bits of integers. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { webgpu } from "../../runtime/runtimes.ts"
import { expectNoLeak } from "../../setup.ts"
import { holdWebgpu, onWebgpu } from "./on-webgpu.ts"

describe.skipIf(!webgpu.exists)("Cast on webgpu", () => {
  const held = holdWebgpu()
  beforeAll(held.open)
  afterAll(held.close)

  const numbers = async (tensor: tf.Tensor) => [...(await tensor.data())]
  const ones = (length: number): Array<number> => Array.from({ length }, (_, i) => (i % 3 === 0 ? 1 : 0))

  test("of integers and booleans, from the host and from the GPU: sums, means, products and rows", () =>
    onWebgpu(async () => {
      for (const length of [6, 3000]) {
        const given = ones(length)
        const third = given.reduce((sum, n) => sum + n, 0)
        const onHost = [
          tf.tensor1d(given, "int32"),
          tf.tensor1d(given.map(Boolean) as unknown as Array<number>, "bool")
        ]
        const onGpu = [tf.equal(tf.tensor1d(given), 1), tf.add(tf.tensor1d(given, "int32"), tf.scalar(0, "int32"))]
        for (const whole of [...onHost, ...onGpu]) {
          const floats = tf.cast(whole, "float32")
          expect(await numbers(floats)).toEqual(given)
          expect(await numbers(tf.sum(floats))).toEqual([third])
          expect((await numbers(tf.mean(floats)))[0]!).toBeCloseTo(third / length, 6)
          const row = tf.reshape<tf.Rank.R2>(floats, [1, length])
          expect(await numbers(tf.matMul(row, row, false, true))).toEqual([third])
          expect(await numbers(tf.gather(floats, tf.tensor1d([0, 1], "int32")))).toEqual([1, 0])
        }
      }
      tf.disposeVariables()
    }))

  test("leaves the tensor that it was given, and nothing else", () =>
    onWebgpu(async () => {
      const whole = tf.equal(tf.tensor1d([1, 2, 3]), tf.tensor1d([1, 0, 3]))
      await expectNoLeak(async () => {
        const sum = tf.tidy(() => tf.sum(tf.cast(whole, "float32")))
        expect(await numbers(sum)).toEqual([2])
        sum.dispose()
      })
      expect(await numbers(whole)).toEqual([1, 0, 1])
    }))
})
