/** f·x + h·y and f·x over lists against tfjs ops, bit for bit. */
import { expect, test } from "bun:test"
import type { Scalar, Tensor } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { combined, scaled } from "../../../src/kernels/combination.ts"
import { describeOnBoth } from "../../backends.ts"
import { expectNoLeak } from "../../setup.ts"
import { normals } from "./float64.ts"
import { expectSameBits } from "./same-bits.ts"

const lists: ReadonlyArray<ReadonlyArray<ReadonlyArray<number>>> = [
  [[], [1], [2], [3], [4], [7, 3]],
  [
    [65, 513],
    [16384, 2],
    [5, 1]
  ],
  Array.from({ length: 507 }, (_, i) => [1 + (i % 7)])
]

const tensorsOf = (shapes: ReadonlyArray<ReadonlyArray<number>>, name: string): ReadonlyArray<Tensor> =>
  shapes.map((shape, i) =>
    tf.tensor(
      normals(
        shape.reduce((size, n) => size * n, 1),
        `${name}${i}`
      ),
      [...shape]
    )
  )

const bits = async (tensors: ReadonlyArray<Tensor>) =>
  (await Promise.all(tensors.map((tensor) => tensor.data()))).map((data) => new Uint32Array(data.slice().buffer))

describeOnBoth(() => {
  for (const shapes of [...lists, ...lists.toReversed()]) {
    test(`${shapes.length} tensors: the bits of mul and add`, async () => {
      const [x, y] = [tensorsOf(shapes, "x"), tensorsOf(shapes, "y")]
      for (const [f, h] of [
        [1, 1],
        [1, 0.1],
        [-0.3, 1],
        [0.7, -1e-3]
      ] as const) {
        const expected = x.map((one, i) => tf.add(tf.mul(one, f), tf.mul(y[i]!, h)))
        expect(await bits(combined(f, x, h, y))).toEqual(await bits(expected))
      }
      const third = x.map((one) => tf.mul(one, 1 / 3))
      expect(await bits(scaled(1 / 3, x))).toEqual(await bits(third))
      expect(await bits(scaled(tf.scalar(1 / 3), x))).toEqual(await bits(third))
    })
  }

  test("lists of nothing, and tensors without elements", () => {
    expect(combined(1, [], 1, [])).toEqual([])
    expect(scaled(2, [])).toEqual([])
    const x = [tf.zeros([0, 2]), tf.ones([1])]
    expect(combined(1, x, 1, x).map(({ shape }) => shape)).toEqual([[0, 2], [1]])
    expect(scaled(2, x).map(({ shape }) => shape)).toEqual([[0, 2], [1]])
  })

  test("NaN and ∞ stay where they are; a factor of 0 does not hide them", async () => {
    const x = tf.tensor1d([1, Number.NaN, Number.POSITIVE_INFINITY, 4, 5])
    const y = tf.tensor1d([1, 1, 1, Number.NEGATIVE_INFINITY, 1])
    const [sum] = combined(1, [x], 2, [y])
    expect(Array.from(await sum!.data())).toEqual([
      3,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      7
    ])
    const [none] = scaled(0, [x])
    expect(Array.from(await none!.data())).toEqual([0, Number.NaN, Number.NaN, 0, 0])
    const [unknown] = scaled(tf.scalar(Number.NaN), [y])
    expect(Array.from(await unknown!.data()).every(Number.isNaN)).toBe(true)
  })

  test("nothing is left behind", async () => {
    const [x, y] = [tensorsOf(lists[0]!, "x"), tensorsOf(lists[0]!, "y")]
    const factor: Scalar = tf.scalar(2)
    await expectNoLeak(() => tf.dispose([...combined(1, x, 2, y), ...scaled(3, x), ...scaled(factor, x)]))
  })
})

test("the same bits from any number of threads", () =>
  expectSameBits(() => {
    const [x, y] = [tensorsOf(lists[1]!, "x"), tensorsOf(lists[1]!, "y")]
    return [...combined(0.5, x, 0.3, y), ...scaled(0.1, x)]
  }))
