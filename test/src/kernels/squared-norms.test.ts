/** Σ x² of each tensor of a list, against float64. */
import { beforeEach, expect, test } from "bun:test"
import type { Tensor } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { squaredNorms } from "../../../src/kernels/squared-norms.ts"
import { describeOnEach } from "../../backends.ts"
import { expectNoLeak } from "../../setup.ts"
import { normals } from "./float64.ts"
import { poisonHeap } from "./poisoned-heap.ts"
import { expectSameBits } from "./same-bits.ts"

/** Every rest of sixteen, several blocks, and more tensors than one piece of work takes. */
const lists: ReadonlyArray<ReadonlyArray<ReadonlyArray<number>>> = [
  [[], ...Array.from({ length: 18 }, (_, i) => [1 + i])],
  [
    [16384, 1],
    [16385, 3],
    [2, 5]
  ],
  Array.from({ length: 700 }, (_, i) => [1 + (i % 5), 3])
]

const hostOf = (shapes: ReadonlyArray<ReadonlyArray<number>>) =>
  shapes.map((shape, i) =>
    normals(
      shape.reduce((size, n) => size * n, 1),
      `x${i}`
    )
  )

const tensorsOf = (shapes: ReadonlyArray<ReadonlyArray<number>>): ReadonlyArray<Tensor> =>
  hostOf(shapes).map((values, i) => tf.tensor(values, [...shapes[i]!]))

const exact = (values: Float32Array): number => values.reduce((sum, x) => sum + x * x, 0)

/** Our own kernel rounds once, to float32; the reference and a GPU round squares and sums (ten times the worst measured). */
const bounds = { cpu: 1e-6, wasm: 6e-8, webgpu: 1e-6 } as const

describeOnEach((backend) => {
  beforeEach(poisonHeap)

  for (const shapes of [...lists, ...lists.toReversed()]) {
    test(`${shapes.length} tensors: each norm for itself`, async () => {
      const found = await squaredNorms(tensorsOf(shapes)).data()
      expect(found).toHaveLength(shapes.length)
      for (const [i, values] of hostOf(shapes).entries()) {
        expect(Math.abs(found[i]! / exact(values) - 1)).toBeLessThan(bounds[backend])
      }
    })
  }

  test("no tensors have no norms, and a tensor without elements has 0", async () => {
    expect(squaredNorms([]).shape).toEqual([0])
    expect(Array.from(await squaredNorms([tf.zeros([0, 3]), tf.tensor1d([3])]).data())).toEqual([0, 9])
  })

  test("NaN and ∞ are one tensor's", async () => {
    const bad = [Number.NaN, Number.POSITIVE_INFINITY, 1e30].map((x) => tf.tensor1d([1, 2, 3, 4, x]))
    const found = Array.from(await squaredNorms([tf.ones([3]), ...bad, tf.zeros([2])]).data())
    expect(found).toEqual([3, Number.NaN, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 0])
  })

  test("nothing is left behind", async () => {
    const tensors = tensorsOf(lists[1]!)
    await expectNoLeak(() => squaredNorms(tensors).dispose())
  })
})

test("the same bits from any number of threads", () => expectSameBits(() => [squaredNorms(tensorsOf(lists[1]!))]))
