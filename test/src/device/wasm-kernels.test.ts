/** The other kernels that replace or complete tfjs' on wasm, and their installation. */
import { describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { expectClose, expectNoLeak, tolerance } from "../../setup.ts"
import { onWasm, random, tensorOf } from "./on-wasm.ts"

/** Runs on cpu and on wasm and compares. */
const sameAsCpu = async (f: () => tf.Tensor, bound: number) => {
  const expected = f()
  const values = await expected.data()
  await onWasm(async () => {
    const actual = f()
    expect(actual.shape).toEqual(expected.shape)
    expectClose(await actual.data(), values, bound)
  })
}

describe("sums", () => {
  test("three million times 0.1", () =>
    onWasm(async () => {
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

  const AXES = [undefined, 0, 1, 2, -1, [0, 1], [1, 2], [0, 2], [0, 1, 2]] as const
  for (const axis of AXES) {
    for (const keepDims of [false, true]) {
      test(`axis ${axis}, keepDims ${keepDims}`, async () => {
        const make = () => tensorOf([5, 7, 11], random(1))
        await sameAsCpu(() => tf.sum(make(), axis as number, keepDims), tolerance.operation)
        await sameAsCpu(() => tf.mean(make(), axis as number, keepDims), tolerance.operation)
      })
    }
  }

  test("integers, scalars and empty tensors", async () => {
    await sameAsCpu(() => tf.sum(tf.tensor2d([1, 2, 3, 4], [2, 2], "int32"), 0), 0)
    await sameAsCpu(() => tf.sum(tf.scalar(3)), 0)
    await onWasm(async () => expect(await tf.sum(tf.zeros([0, 3]), 1).data()).toHaveLength(0))
  })
})

describe("transpositions", () => {
  for (const [shape, perm] of [
    [
      [33, 65],
      [1, 0]
    ],
    [
      [4, 33, 70],
      [0, 2, 1]
    ],
    [
      [2, 3, 40, 50],
      [0, 1, 3, 2]
    ],
    [
      [2, 40, 3, 8],
      [0, 2, 1, 3]
    ],
    [
      [1, 40],
      [1, 0]
    ]
  ] as Array<[Array<number>, Array<number>]>) {
    test(`[${shape}] by [${perm}]`, () => sameAsCpu(() => tf.transpose(tensorOf(shape, random(2)), perm), 0))
  }
})

describe("the gradient of gather", () => {
  const ids = () => tf.tensor1d([4, 0, 4, 2, 4], "int32")
  test("adds up equal indices", () =>
    sameAsCpu(() => {
      const next = random(3)
      const [table, dy] = [tensorOf([6, 5], next), tensorOf([5, 5], next)]
      return tf.grad((x) => tf.sum(tf.mul(tf.gather(x, ids()), dy)))(table)
    }, tolerance.operation))

  test("drops indices outside the range", () =>
    onWasm(async () => {
      const sums = tf.unsortedSegmentSum(tf.ones([3, 2]), tf.tensor1d([1, -1, 7], "int32"), 2)
      expect(Array.from(await sums.data())).toEqual([0, 0, 1, 1])
    }))
})

test("a clone shares its buffer, and outlives the original", () =>
  onWasm(async () => {
    const x = tensorOf([3, 4], random(6))
    const values = await x.data()
    await expectNoLeak(() => x.clone().dispose())
    const buffers = tf.memory().numDataBuffers
    const clone = x.clone()
    expect(tf.memory().numDataBuffers).toBe(buffers)
    x.dispose()
    const dirt = tf.fill([3, 4], 99)
    expect(await clone.data()).toEqual(values)
    tf.dispose([clone, dirt])
  }))

test("every operation of a transformer's step runs forward and backward, as on cpu", () =>
  sameAsCpu(() => {
    const next = random(4)
    const [table, W, gamma] = [tensorOf([9, 16], next), tensorOf([16, 16], next), tensorOf([16], next)]
    const f = (table: tf.Tensor, W: tf.Tensor, gamma: tf.Tensor) => {
      const x = tf.reshape(tf.gather(table, tf.tensor1d([1, 2, 3, 4, 5, 6], "int32")), [2, 3, 16])
      const mean = tf.mean(x, -1, true)
      const centred = tf.sub(x, mean)
      const normal = tf.mul(tf.mul(centred, tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), 1e-5))), gamma)
      const heads = tf.transpose(
        tf.reshape(tf.matMul(tf.reshape(normal, [6, 16]), W, false, true), [2, 3, 4, 4]),
        [0, 2, 1, 3]
      )
      const attention = tf.softmax(tf.matMul(heads, heads, false, true))
      const mixed = tf.reshape(tf.transpose(tf.matMul(attention, heads), [0, 2, 1, 3]), [6, 16])
      const gelu = tf.mul(mixed, tf.mul(0.5, tf.add(1, tf.erf(tf.mul(mixed, Math.SQRT1_2)))))
      return tf.neg(tf.sum(tf.logSoftmax(tf.slice(tf.tanh(gelu), [0, 0], [6, 4])))) as tf.Scalar
    }
    return tf.concat(
      tf
        .grads(f as () => tf.Tensor)([table, W, gamma])
        .map((g) => tf.reshape(g, [-1]))
    )
  }, tolerance.forward))

test("leaves nothing behind", () =>
  onWasm(async () => {
    const x = tensorOf([6, 30, 40], random(5))
    const ids = tf.tensor1d([0, 1, 0, 2, 2, 1], "int32")
    await expectNoLeak(() => {
      for (let i = 0; i < 20; i++) {
        tf.dispose([tf.sum(x, 0), tf.mean(x, -1), tf.sum(x, [0, 2]), tf.transpose(x, [0, 2, 1])])
        tf.unsortedSegmentSum(x, ids, 3).dispose()
      }
    })
  }))

test("kernels are tfjs' own again once the device is closed", async () => {
  const stock = tf.getKernel("Sum", "wasm")
  const during = await onWasm(() => tf.getKernel("Sum", "wasm"))
  expect(during?.kernelFunc).not.toBe(stock?.kernelFunc)
  expect(tf.getKernel("Sum", "wasm")?.kernelFunc).toBe(stock?.kernelFunc)
  expect(tf.getKernel("UnsortedSegmentSum", "wasm")).toBeUndefined()
})
