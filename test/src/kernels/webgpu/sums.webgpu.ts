/** Sum and Mean on a GPU beyond the laws: every choice of axes, long sums against float64, many sums, sums of nothing. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { webgpu } from "../../../runtime/runtimes.ts"
import { expectClose, expectNoLeak, tolerance } from "../../../setup.ts"
import { random, tensorOf } from "../../device/on-wasm.ts"
import { holdWebgpu, onWebgpu } from "../../device/on-webgpu.ts"

/** Σ over some axes, in float64. */
const exact = (values: ArrayLike<number>, shape: ReadonlyArray<number>, axes: ReadonlyArray<number>): Float64Array => {
  const kept = shape.map((n, i) => (axes.includes(i) ? 1 : n))
  const sums = new Float64Array(kept.reduce((a, b) => a * b, 1))
  const strides = kept.map((n, i) => (n === 1 ? 0 : kept.slice(i + 1).reduce((a, b) => a * b, 1)))
  for (let i = 0; i < values.length; i++) {
    let [rest, at] = [i, 0]
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += (rest % shape[axis]!) * strides[axis]!
      rest = Math.floor(rest / shape[axis]!)
    }
    sums[at]! += values[i]!
  }
  return sums
}

/** Every set of axes. */
const subsetsOf = (rank: number): ReadonlyArray<ReadonlyArray<number>> =>
  Array.from({ length: 2 ** rank - 1 }, (_, i) => [...Array(rank).keys()].filter((axis) => ((i + 1) >> axis) & 1))

describe.skipIf(!webgpu.exists)("sums on a GPU", () => {
  const held = holdWebgpu()
  beforeAll(held.open)
  afterAll(held.close)

  const shapes = [
    [5, 7, 11, 3],
    [2, 1, 33, 40],
    [70, 6, 1, 9]
  ]
  for (const shape of [...shapes, ...shapes.toReversed()]) {
    test(`[${shape}] over any axes`, async () => {
      const make = () => tensorOf(shape, random(3))
      const values = await make().data()
      await onWebgpu(async () => {
        for (const axes of subsetsOf(shape.length)) {
          const expected = exact(values, shape, axes)
          const terms = axes.reduce((n, axis) => n * shape[axis]!, 1)
          for (const keepDims of [false, true]) {
            const [sum, mean] = [tf.sum(make(), [...axes], keepDims), tf.mean(make(), [...axes], keepDims)]
            const kept = shape.flatMap((n, i) => (axes.includes(i) ? (keepDims ? [1] : []) : [n]))
            expect([sum.shape, mean.shape]).toEqual([kept, kept])
            expectClose(await sum.data(), expected, tolerance.operation)
            expectClose(
              await mean.data(),
              expected.map((x) => x / terms),
              tolerance.operation
            )
          }
        }
      })
    })
  }

  test("three million times 0.1", () =>
    onWebgpu(async () => {
      const x = tf.fill([3_000_000], 0.1)
      expectClose(await tf.sum(x).data(), [3_000_000 * Math.fround(0.1)], tolerance.operation)
      expectClose(await tf.mean(x).data(), [Math.fround(0.1)], tolerance.operation)
      const columns = await tf.sum(tf.reshape(x, [1_500_000, 2]), 0).data()
      expectClose(
        columns,
        [1, 1].map(() => 1_500_000 * Math.fround(0.1)),
        tolerance.operation
      )
    }))

  // few long rows, few long columns, columns of several parts, many sums of few terms
  for (const shape of [
    [2, 70_001],
    [301, 611],
    [3, 40_000, 2],
    [2000, 384],
    [66_000, 3, 5]
  ]) {
    test(`[${shape}] over each axis against float64`, async () => {
      const make = () => tensorOf(shape, random(7))
      const values = await make().data()
      await onWebgpu(async () => {
        for (let axis = 0; axis < shape.length; axis++) {
          const sum = tf.sum(make(), axis)
          expectClose(await sum.data(), exact(values, shape, [axis]), tolerance.operation)
        }
      })
    })
  }

  test("more workgroups than one dimension has", () =>
    onWebgpu(async () => {
      const items = 64 * 65_535 + 300
      const values = Float32Array.from({ length: items }, (_, i) => i % 65_521)
      const sums = await tf.sum(tf.tensor2d(values, [items, 1]), 1).data()
      expect(sums.findIndex((sum, i) => sum !== i % 65_521)).toBe(-1)
    }))

  test("what is not finite shows, and only in its own sum", () =>
    onWebgpu(async () => {
      const values = new Float32Array(3 * 70_000).fill(1)
      values[69_999] = Number.NaN
      values[70_000] = Number.POSITIVE_INFINITY
      values[139_999] = Number.NEGATIVE_INFINITY
      const rows = await tf.sum(tf.tensor2d(values, [3, 70_000]), 1).data()
      expect([...rows]).toEqual([Number.NaN, Number.NaN, 70_000])
      const columns = await tf.sum(tf.tensor2d([1, Number.POSITIVE_INFINITY, 2, 3], [2, 2]), 0).data()
      expect([...columns]).toEqual([3, Number.POSITIVE_INFINITY])
    }))

  test("integers, scalars and empty tensors", () =>
    onWebgpu(async () => {
      expect(Array.from(await tf.sum(tf.tensor2d([1, 2, 3, 4], [2, 2], "int32"), 0).data())).toEqual([4, 6])
      expect(await tf.sum(tf.scalar(3)).data()).toEqual(Float32Array.of(3))
      expect(await tf.sum(tf.zeros([0, 3]), 1).data()).toHaveLength(0)
      for (const [shape, axis] of [
        [[3, 0], 1],
        [[0, 3], 0]
      ] as const) {
        expect(await tf.sum(tf.zeros([...shape]), axis).data()).toEqual(new Float32Array(3))
        expect(await tf.mean(tf.zeros([...shape]), axis).data()).toEqual(new Float32Array(3))
      }
      expect(await tf.sum(tf.zeros([0])).data()).toEqual(new Float32Array(1))
    }))

  test("of lists of any length, which stock tfjs takes for as many as a shader may bind", async () => {
    await onWebgpu(async () => {
      for (const n of [1, 2, 7, 8, 9, 20, 61]) {
        const terms = Array.from({ length: n }, (_, i) => tf.tensor1d([i, 1, 2 * i]))
        const sum = (n * (n - 1)) / 2
        expect([...(await tf.addN(terms).data())]).toEqual([sum, n, 2 * sum])
      }
    })
    await onWebgpu(() =>
      expectNoLeak(() => tf.tidy(() => void tf.addN(Array.from({ length: 20 }, (_, i) => tf.scalar(i)))))
    )
  })

  test("no leak, and the same bits twice", () =>
    onWebgpu(async () => {
      const x = tensorOf([3, 30_000, 5], random(5))
      const sums = () => [tf.sum(x), tf.mean(x, [0, 2]), tf.sum(x, 1), tf.sum(x, [0, 1])]
      await expectNoLeak(() => tf.dispose(sums()))
      const bits = async () =>
        Promise.all(sums().map(async (sum) => new Uint32Array((await sum.data()).slice().buffer)))
      expect(await bits()).toEqual(await bits())
    }))
})
