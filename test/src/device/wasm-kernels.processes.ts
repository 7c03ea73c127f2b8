/** The other kernels that replace or complete tfjs' on wasm, and their installation. */
import { describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { expectClose, expectNoLeak, tolerance } from "../../setup.ts"
import { expectSameBits, sameBits } from "../kernels/same-bits.ts"
import { onWasm, random, tensorOf } from "./on-wasm.ts"

/** Runs on cpu and on wasm and compares. */
const sameAsCpu = async (f: () => tf.Tensor, bound: number) => {
  await tf.setBackend("cpu")
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
    await onWasm(async () => {
      tf.fill([64], 7).dispose() // what tfjs would find in the memory of the result
      expect(await tf.sum(tf.zeros([3, 0]), 1).data()).toEqual(new Float32Array(3))
      expect(await tf.sum(tf.zeros([0, 3]), 0).data()).toEqual(new Float32Array(3))
      expect(await tf.mean(tf.zeros([0, 3]), 0).data()).toEqual(new Float32Array(3))
    })
  })

  // long rows, which are summed in blocks; columns of many chunks; few long columns
  for (const shape of [
    [2, 70_001],
    [301, 611],
    [3, 40_000, 2],
    [40, 90, 33]
  ]) {
    const make = () => tensorOf(shape, random(7))
    const expectSums = sameBits(() => [...shape.map((_, axis) => tf.sum(make(), axis)), tf.mean(make())])
    test(`[${shape}] over each axis against float64, and the same bits from any number of threads`, async () => {
      const values = await make().data()
      for (let axis = 0; axis < shape.length; axis++) {
        const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1)
        const reduced = shape[axis]!
        const expected = new Float64Array(values.length / reduced)
        const at = (i: number) => Math.floor(i / inner / reduced) * inner + (i % inner)
        for (const [i, value] of values.entries()) expected[at(i)]! += value
        await onWasm(async () => expectClose(await tf.sum(make(), axis).data(), expected, 1e-7)) // one rounding, the last
      }
      await expectSums()
    })
  }
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
    ],
    [
      [515, 131],
      [1, 0]
    ],
    [
      [17, 65, 70],
      [0, 2, 1]
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

  test("is the sum of the rows in their order, for wide rows by many chunks", async () => {
    const [rows, width, segments] = [301, 325, 7]
    const next = random(8)
    const index = Array.from({ length: rows }, (_, i) => (i % 11 === 0 ? -1 : Math.floor(next() * segments)))
    const make = () => tensorOf([rows, width], random(9))
    const expected = new Float32Array(segments * width)
    const values = await make().data()
    for (const [i, value] of values.entries()) {
      const segment = index[Math.floor(i / width)]!
      if (segment >= 0) expected[segment * width + (i % width)]! += value
    }
    const sums = () => tf.unsortedSegmentSum(make(), tf.tensor1d(index, "int32"), segments)
    await onWasm(async () => expect(await sums().data()).toEqual(expected))
    await expectSameBits(() => [sums()])
  })

  test("integers", () =>
    onWasm(async () => {
      const sums = tf.unsortedSegmentSum(tf.tensor1d([5, 6, 7], "int32"), tf.tensor1d([1, 1, 4], "int32"), 2)
      expect(Array.from(await sums.data())).toEqual([0, 11])
    }))

  test("what is not finite stays in its segment", () =>
    onWasm(async () => {
      const x = tf.tensor2d([1, Number.NaN, 2, 3, Number.POSITIVE_INFINITY, 4], [3, 2])
      const sums = tf.unsortedSegmentSum(x, tf.tensor1d([0, 1, 2], "int32"), 4)
      expect(Array.from(await sums.data())).toEqual([1, Number.NaN, 2, 3, Number.POSITIVE_INFINITY, 4, 0, 0])
    }))

  test("drops indices outside the range", () =>
    onWasm(async () => {
      const sums = tf.unsortedSegmentSum(tf.ones([3, 2]), tf.tensor1d([1, -1, 7], "int32"), 2)
      expect(Array.from(await sums.data())).toEqual([0, 0, 1, 1])
    }))
})

describe("gather", () => {
  const table = () => tensorOf([9, 5, 3], random(10))
  test("along the first axis, of ids of any shape", () =>
    sameAsCpu(() => tf.gather(table(), tf.tensor2d([0, 8, 3, 3, 1, 7], [2, 3], "int32")), 0))
  test("along another", () => sameAsCpu(() => tf.gather(table(), tf.tensor1d([4, 0, 4], "int32"), 1), 0))
  test("of integers, of numbers alone, of nothing", async () => {
    await sameAsCpu(() => tf.gather(tf.tensor1d([4, 5, 6], "int32"), tf.tensor1d([2, 0], "int32")), 0)
    await sameAsCpu(() => tf.gather(tf.tensor1d([4, 5, 6]), tf.tensor1d([2, 0], "int32")), 0)
    await onWasm(() => expect(tf.gather(table(), tf.tensor1d([], "int32")).shape).toEqual([0, 5, 3]))
  })
  test("an id that is no row is refused", () =>
    onWasm(() => {
      for (const id of [9, -1]) expect(() => tf.gather(table(), tf.tensor1d([id], "int32"))).toThrow("not in [0, 8]")
    }))
  test("many rows, on any number of threads", async () => {
    const make = () =>
      tf.gather(tensorOf([500, 97], random(11)), tf.range(0, 800, 1, "int32").mod(tf.scalar(499, "int32")))
    await sameAsCpu(make, 0)
    await expectSameBits(() => [make()])
  })
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
    const long = tf.ones([1, 70_000])
    await expectNoLeak(() => {
      for (let i = 0; i < 20; i++) {
        tf.dispose([tf.sum(x, 0), tf.mean(x, -1), tf.sum(x, [0, 2]), tf.transpose(x, [0, 2, 1])])
        tf.unsortedSegmentSum(x, ids, 3).dispose()
        tf.gather(x, ids).dispose()
        tf.sum(long, 1).dispose()
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
