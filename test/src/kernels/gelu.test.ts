import { expect, test } from "bun:test"
import type { Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { type GeluForm, gelu } from "../../../src/kernels/gelu.ts"
import { describeOnBoth } from "../../backends.ts"
import { expectClose, expectNoLeak } from "../../setup.ts"
import { derivative, erf, normals } from "./float64.ts"

const exact: { readonly [F in GeluForm]: (x: number) => number } = {
  erf: (x) => (x / 2) * (1 + erf(x / Math.SQRT2)),
  tanh: (x) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
}

/** Over max|y| ≈ 8: the polynomial's 1.5e-7 in Φ times |x|, and float32. The two forms differ by 5e-4 absolute. */
const BOUND = 5e-7

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

describeOnBoth(() => {
  for (const form of ["erf", "tanh"] as const) {
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
      const y = await gelu(tf.tensor2d([0, -40, 40, -1e18, 1e18, -1e4], [3, 2]), form).data()
      expect(Array.from(y, (v) => v + 0)).toEqual([0, 0, 40, 0, Math.fround(1e18), 0])
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
  }
})
