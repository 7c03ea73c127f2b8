import { expect, test } from "bun:test"
import type { Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { gelu } from "../../../src/kernels/gelu.ts"
import { describeOnEach } from "../../backends.ts"
import { expectClose, expectNoLeak } from "../../setup.ts"
import { derivative, erf, exactGelu as exact, normals } from "./float64.ts"
import { sameBits } from "./same-bits.ts"

/** Over max|y|: float32's own rounding alone. tfjs's polynomial for erf would show, at 4e-7 of the largest y here. */
const BOUND = 1.5e-7

const points = Float32Array.from([
  ...Array.from({ length: 161 }, (_, i) => (i - 80) / 10),
  ...normals(63, "gelu", 2),
  0,
  -0
])
const column = (values: Float32Array) => tf.tensor2d(values, [values.length / 2, 2]) as Tensor2D

test("the float64 erf is right", () => {
  // Abramowitz and Stegun, table 7.1
  expect(erf(0.5)).toBeCloseTo(0.5204998778, 10)
  expect(erf(-2)).toBeCloseTo(-0.995322265, 10)
  expect(erf(3)).toBeCloseTo(0.9999779095, 10)
  expect(erf(2.4999)).toBeCloseTo(erf(2.5001), 5)
})

describeOnEach(() => {
  for (const form of ["erf", "tanh", "quick"] as const) {
    test(`${form}: values against float64`, async () => {
      expectClose(await gelu(column(points), form).data(), Array.from(points, exact[form]), BOUND)
    })

    test(`${form}: derivative against float64`, async () => {
      const dy = normals(points.length, "dy")
      const dx = tf.grad((x) => gelu(x as Tensor2D, form))(column(points), column(dy))
      const expected = Array.from(points, (x, i) => dy[i]! * derivative(exact[form], x))
      expectClose(await dx.data(), expected, 1e-6)
    })

    test(`${form}: zero at zero, nothing far left, x far right, finite at the edge of float32`, async () => {
      const y = await gelu(tf.tensor2d([0, -100, 100, -1e18, 1e18, -1e4], [3, 2]), form).data()
      expect(Array.from(y, (v) => v + 0)).toEqual([0, 0, 100, 0, Math.fround(1e18), 0])
    })

    test(`${form}: no leak, with and without a tape`, async () => {
      const x = column(points)
      await expectNoLeak(() => gelu(x, form).dispose())
      await expectNoLeak(() =>
        tf
          .grad((z) => gelu(z as Tensor2D, form))(x)
          .dispose()
      )
    })

    test(`${form}: sizes of one, odd ones and one of many chunks, in both orders`, async () => {
      const sizes = [1, 2, 3, 5, 7, 1023, 66_051]
      for (const size of [...sizes, ...sizes.toReversed()]) {
        const x = normals(size, `x${size}`, 2)
        const dy = normals(size, `dy${size}`)
        const { value, grad } = tf.valueAndGrad((z) => gelu(z as Tensor2D, form))(
          tf.tensor2d(x, [1, size]),
          tf.tensor2d(dy, [1, size])
        )
        // of one number alone, the exponential's error shows in full
        expectClose(await value.data(), Array.from(x, exact[form]), 5e-7)
        const dx = Array.from(x, (v, i) => dy[i]! * derivative(exact[form], v))
        expectClose(await grad.data(), dx, 1e-6)
      }
    })

    test(`${form}: what is not finite does not become so`, async () => {
      const x = tf.tensor2d([Number.NaN, Number.NEGATIVE_INFINITY, 1, Number.POSITIVE_INFINITY, Number.NaN], [1, 5])
      const { value, grad } = tf.valueAndGrad((z) => gelu(z as Tensor2D, form))(x, tf.onesLike(x))
      const finite = [false, false, true, false, false]
      expect(Array.from(await value.data(), Number.isFinite)).toEqual(finite)
      expect(Array.from(await grad.data(), Number.isFinite)).toEqual(finite)
    })
  }
})

for (const form of ["erf", "tanh", "quick"] as const) {
  test(
    `${form}: the same bits from any number of threads`,
    sameBits(() => {
      const x = tf.tensor2d(normals(66_051, "threads", 2), [3, 22_017])
      const { value, grad } = tf.valueAndGrad((z) => gelu(z as Tensor2D, form))(x, x)
      return [value, grad]
    })
  )
}
