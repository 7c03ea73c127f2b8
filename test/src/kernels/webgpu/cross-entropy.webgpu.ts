/** Cross-entropy on a GPU beyond the laws: rows that are taken apart, in vectors, of many, and what is wrong in them. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import type { Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { IGNORED, sparseCrossEntropy } from "../../../../src/kernels/cross-entropy.ts"
import { valueAndGradients } from "../../../../src/tensors/gradients.ts"
import { webgpu } from "../../../runtime/runtimes.ts"
import { expectClose, tolerance } from "../../../setup.ts"
import { holdWebgpu, onWebgpu } from "../../device/on-webgpu.ts"
import { normals } from "../float64.ts"

/** The loss and dz in float64; rows with a label that is no class are not for it. */
const exact = (z: Float32Array, labels: ReadonlyArray<number>) => {
  const classes = z.length / labels.length
  const dz = new Float64Array(z.length)
  const count = labels.filter((label) => label !== IGNORED).length
  let loss = 0
  for (const [i, label] of labels.entries()) {
    if (label === IGNORED) continue
    const row = z.subarray(i * classes, (i + 1) * classes)
    let most = Number.NEGATIVE_INFINITY
    for (const x of row) most = Math.max(most, x)
    let sum = 0
    for (const x of row) sum += Math.exp(x - most)
    loss += (Math.log(sum) - (row[label]! - most)) / count
    for (const [j, x] of row.entries()) dz[i * classes + j] = (Math.exp(x - most) / sum - (j === label ? 1 : 0)) / count
  }
  return { loss, dz }
}

const run = async (z: Float32Array, labels: ReadonlyArray<number>) => {
  const logits = tf.tensor2d(z, [labels.length, z.length / labels.length]) as Tensor2D
  const { value, gradients } = valueAndGradients(
    () => sparseCrossEntropy(logits, tf.tensor1d([...labels], "int32")),
    [logits]
  )
  return { loss: (await value.data())[0]!, dz: await gradients[0]!.data() }
}

const labelsOf = (rows: number, classes: number) =>
  Array.from({ length: rows }, (_, i) => (i % 5 === 4 ? IGNORED : (i * 31) % classes))

/** One exponential in float32, which WGSL lets err by 3 + 2|x| units in the last place. */
const BOUND = 2 * tolerance.operation

describe.skipIf(!webgpu.exists)("cross-entropy on a GPU", () => {
  const held = holdWebgpu()
  beforeAll(held.open)
  afterAll(held.close)

  const shapes = [
    [3, 8],
    [2, 33],
    [5, 132],
    [129, 4100],
    [3, 30_522],
    [2, 50_257],
    [1, 49_152]
  ] as const
  for (const [rows, classes] of [...shapes, ...shapes.toReversed()]) {
    test(`[${rows}, ${classes}]: value and gradient against float64`, () =>
      onWebgpu(async () => {
        const z = normals(rows * classes, `z${classes}`, 3)
        const labels = labelsOf(rows, classes)
        const { loss, dz } = await run(z, labels)
        const expected = exact(z, labels)
        expectClose([loss], [expected.loss], BOUND)
        expectClose(dz, expected.dz, BOUND)
      }))
  }

  test("more workgroups than one dimension has", () =>
    onWebgpu(async () => {
      const [rows, classes] = [65_601, 33]
      const z = normals(rows * classes, "many", 3)
      const labels = labelsOf(rows, classes)
      const { loss, dz } = await run(z, labels)
      const expected = exact(z, labels)
      expectClose([loss], [expected.loss], BOUND)
      expectClose(dz, expected.dz, BOUND)
    }))

  test("logits that only rise, and only fall, lose no digits", () =>
    onWebgpu(async () => {
      const rising = Float32Array.from({ length: 8192 }, (_, i) => i / 100)
      for (const z of [rising, rising.toReversed(), rising.map((x) => x - 1e4)]) {
        const { loss, dz } = await run(z, [7])
        const expected = exact(z, [7])
        expectClose([loss], [expected.loss], BOUND)
        expectClose(dz, expected.dz, BOUND)
      }
    }))

  // in the first part of a row and in the last
  for (const at of [5, 20_001]) {
    test(`−∞ at ${at} is a class that cannot be; NaN and +∞ make their row NaN, and no other`, () =>
      onWebgpu(async () => {
        const classes = 20_002
        const z = normals(2 * classes, "places")
        z[at] = Number.NEGATIVE_INFINITY
        const good = await run(z, [1, 2])
        const expected = exact(z, [1, 2])
        expectClose([good.loss], [expected.loss], BOUND)
        expectClose(good.dz, expected.dz, BOUND)
        for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
          z[at] = bad
          const { loss, dz } = await run(z, [1, 2])
          expect(loss).toBeNaN()
          expect(dz.subarray(0, classes).every((x) => Number.isNaN(x))).toBe(true)
          expect(dz.subarray(classes).every((x) => Number.isFinite(x))).toBe(true)
          // nobody looks at a row that does not count
          const without = await run(z, [IGNORED, 2])
          expect(Number.isFinite(without.loss)).toBe(true)
          expect(without.dz.subarray(0, classes).every((x) => x === 0)).toBe(true)
        }
        z[at] = Number.NEGATIVE_INFINITY
        expect((await run(z, [at, 2])).loss).toBe(Number.POSITIVE_INFINITY)
      }))
  }

  test("a row of −∞ alone has no softmax", () =>
    onWebgpu(async () => {
      const { loss, dz } = await run(new Float32Array(6).fill(Number.NEGATIVE_INFINITY).fill(1, 3), [0, 1])
      expect(loss).toBeNaN()
      expect(Array.from(dz, Number.isNaN)).toEqual([true, true, true, false, false, false])
    }))

  for (const label of [3, -1, -99, 1 << 30]) {
    test(`the label ${label} of three classes is NaN, in the loss and in its row`, () =>
      onWebgpu(async () => {
        const { loss, dz } = await run(normals(6, "wrong"), [label, 1])
        expect(loss).toBeNaN()
        expect(Array.from(dz, Number.isNaN)).toEqual([true, true, true, false, false, false])
      }))
  }

  test("no row that counts: 0, and a gradient of 0; one class: likewise", () =>
    onWebgpu(async () => {
      const { loss, dz } = await run(normals(6, "ignored"), [IGNORED, IGNORED])
      expect(loss).toBe(0)
      expect(dz).toEqual(new Float32Array(6))
      const single = await run(Float32Array.from([3, -5]), [0, 0])
      expect(single.loss).toBe(0)
      expect(single.dz).toEqual(new Float32Array(2))
    }))

  test("the value's own gradient scales it", () =>
    onWebgpu(async () => {
      const z = normals(12, "scale", 2)
      const labels = tf.tensor1d([1, 0, 2], "int32")
      const f = (x: tf.Tensor) => tf.mul(sparseCrossEntropy(x as Tensor2D, labels), -3) as tf.Scalar
      const dz = await tf
        .grad(f)(tf.tensor2d(z, [3, 4]))
        .data()
      expectClose(
        dz,
        exact(z, [1, 0, 2]).dz.map((v) => -3 * v),
        BOUND
      )
    }))
})
