/** Sparse softmax cross-entropy against float64: value, gradient, rows that do not count, labels that are wrong. */
import { expect, test } from "bun:test"
import type { Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { IGNORED, sparseCrossEntropy } from "../../../src/kernels/cross-entropy.ts"
import { valueAndGradients } from "../../../src/tensors/gradients.ts"
import { describeOnEach } from "../../backends.ts"
import { expectClose, expectNoLeak, tolerance } from "../../setup.ts"
import { normals } from "./float64.ts"
import { expectSameBits } from "./same-bits.ts"

/** The loss and dz in float64. */
const exact = (z: Float32Array, labels: ReadonlyArray<number>, classes: number) => {
  const dz = new Float64Array(z.length)
  const count = labels.filter((label) => label !== IGNORED).length
  let loss = 0
  for (const [i, label] of labels.entries()) {
    if (label === IGNORED) continue
    const row = Float64Array.from(z.subarray(i * classes, (i + 1) * classes))
    const most = Math.max(...row)
    const exps = row.map((v) => Math.exp(v - most))
    const sum = exps.reduce((a, b) => a + b, 0)
    loss += (Math.log(sum) - (row[label]! - most)) / count
    for (let j = 0; j < classes; j++) dz[i * classes + j] = (exps[j]! / sum - (j === label ? 1 : 0)) / count
  }
  return { loss, dz }
}

/** Every fifth row does not count. */
const labelsOf = (rows: number, classes: number) =>
  Array.from({ length: rows }, (_, i) => (i % 5 === 4 ? IGNORED : (i * 31) % classes))

const run = (z: Float32Array, labels: ReadonlyArray<number>) => {
  const logits = tf.tensor2d(z, [labels.length, z.length / labels.length])
  const { value, gradients } = valueAndGradients(
    () => sparseCrossEntropy(logits, tf.tensor1d([...labels], "int32")),
    [logits]
  )
  return { value, dz: gradients[0]! }
}

const shapes = [
  [7, 2],
  [1, 3],
  [33, 17],
  [66, 1001],
  [5, 4]
] as const

describeOnEach(() => {
  for (const [rows, classes] of [...shapes, ...shapes.toReversed()]) {
    test(`[${rows}, ${classes}]: value and gradient`, async () => {
      const z = normals(rows * classes, `z${classes}`, 3)
      const labels = labelsOf(rows, classes)
      const expected = exact(z, labels, classes)
      const { value, dz } = run(z, labels)
      expectClose(await value.data(), [expected.loss], tolerance.operation)
      expectClose(await dz.data(), expected.dz, tolerance.operation)
    })
  }

  test("the value's own gradient scales it", async () => {
    const z = normals(12, "scale", 2)
    const labels = tf.tensor1d([1, 0, 2], "int32")
    const f = (x: tf.Tensor) => tf.mul(sparseCrossEntropy(x as Tensor2D, labels), -3) as tf.Scalar
    const dz = tf.grad(f)(tf.tensor2d(z, [3, 4]))
    const expected = exact(z, [1, 0, 2], 4).dz.map((v) => -3 * v)
    expectClose(await dz.data(), expected, tolerance.operation)
  })

  test("logits far from 0 lose no digits, and −∞ is a class that cannot be", async () => {
    const z = Float32Array.from([10_000.5, 10_001.25, 9_998, -2e4, Number.NEGATIVE_INFINITY, -2e4])
    const { value, dz } = run(z, [0, 0])
    const log = (row: ReadonlyArray<number>) => Math.log(row.reduce((a, v) => a + Math.exp(v), 0))
    const first = log([0, 0.75, -2.5])
    expectClose(await value.data(), [(first + Math.log(2)) / 2], tolerance.operation)
    const p = [0, 0.75, -2.5].map((v) => Math.exp(v - first))
    expectClose(await dz.data(), [(p[0]! - 1) / 2, p[1]! / 2, p[2]! / 2, -0.25, 0, 0.25], tolerance.operation)
  })

  test("one class: no loss, no gradient", async () => {
    const { value, dz } = run(Float32Array.from([3, -5]), [0, 0])
    expect(await value.data()).toEqual(new Float32Array([0]))
    expect(await dz.data()).toEqual(new Float32Array(2))
  })

  test("no row that counts: 0, and a gradient of 0", async () => {
    const { value, dz } = run(normals(6, "ignored"), [IGNORED, IGNORED])
    expect(await value.data()).toEqual(new Float32Array([0]))
    expect(await dz.data()).toEqual(new Float32Array(6))
  })

  test("what a row that does not count holds is not looked at", async () => {
    const { value, dz } = run(Float32Array.from([1, 1, Number.NaN, Number.POSITIVE_INFINITY]), [0, IGNORED])
    expectClose(await value.data(), [Math.LN2], tolerance.operation)
    expectClose(await dz.data(), [-0.5, 0.5, 0, 0], tolerance.operation)
  })

  for (const label of [3, -1, -99, 1 << 30]) {
    test(`the label ${label} of three classes is NaN, in the loss and in its row`, async () => {
      const { value, dz } = run(normals(6, "wrong"), [label, 1])
      expect((await value.data())[0]).toBeNaN()
      expect(Array.from(await dz.data(), Number.isNaN)).toEqual([true, true, true, false, false, false])
    })
  }

  test("NaN and ∞ among the logits show", async () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const { value, dz } = run(Float32Array.from([0, bad, 1, 0, 1, 2]), [0, 1])
      expect((await value.data())[0]).toBeNaN()
      expect(Array.from(await dz.data(), Number.isNaN)).toContain(true)
    }
  })

  test("no rows at all: 0", async () => {
    const empty = sparseCrossEntropy(tf.zeros([0, 3]), tf.tensor1d([], "int32"))
    expect(await empty.data()).toEqual(new Float32Array([0]))
  })

  test("no leak, with and without a tape", async () => {
    const z = tf.tensor2d(normals(12, "leak"), [4, 3])
    const labels = tf.tensor1d([0, 1, 2, IGNORED], "int32")
    await expectNoLeak(() => sparseCrossEntropy(z, labels).dispose())
    await expectNoLeak(() => {
      const { value, gradients } = valueAndGradients(() => sparseCrossEntropy(z, labels), [z])
      tf.dispose([value, ...gradients])
    })
  })
})

test("the same bits from any number of threads", () =>
  expectSameBits(() => {
    const { value, dz } = run(normals(61 * 1001, "threads", 3), labelsOf(61, 1001))
    return [value, dz]
  }))
