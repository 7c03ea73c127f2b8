import { test } from "bun:test"
import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { layerNorm } from "../../../src/kernels/layer-norm.ts"
import { describeOnBoth } from "../../backends.ts"
import { expectClose, expectNoLeak, tolerance } from "../../setup.ts"
import { normals, numericalGradient } from "./float64.ts"

/** y = γ(x − mean)/√(var + ε) + β, row by row */
const exact =
  (n: number, epsilon: number) =>
  ([x, gamma, beta]: ReadonlyArray<Float64Array>): Float64Array => {
    const y = new Float64Array(x!.length)
    for (let row = 0; row < x!.length; row += n) {
      const values = x!.subarray(row, row + n)
      const mean = values.reduce((a, b) => a + b, 0) / n
      const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / n
      for (let i = 0; i < n; i++)
        y[row + i] = (gamma![i]! * (values[i]! - mean)) / Math.sqrt(variance + epsilon) + beta![i]!
    }
    return y
  }

/** Gradients: sums of n products, against central differences good to about 1e-9. */
const GRADIENT = 5e-6

const layer = (x: Float32Array, gamma: Float32Array, beta: Float32Array) =>
  [tf.tensor2d(x, [x.length / gamma.length, gamma.length]), tf.tensor1d(gamma), tf.tensor1d(beta)] as const

describeOnBoth(() => {
  // three shapes in one process, odd ones among them
  for (const [tokens, n, epsilon] of [
    [5, 48, 1e-12],
    [1, 7, 1e-3],
    [33, 3, 1e-5]
  ] as const) {
    const x = normals(tokens * n, `x${n}`).map((v) => 3 * v + 2)
    const gamma = normals(n, `gamma${n}`)
    const beta = normals(n, `beta${n}`)

    test(`[${tokens}, ${n}]: values and gradients against float64`, async () => {
      const f = exact(n, epsilon)
      const inputs = layer(x, gamma, beta)
      const y = layerNorm(...inputs, epsilon)
      expectClose(await y.data(), f([x, gamma, beta].map((v) => Float64Array.from(v))), tolerance.operation)
      const dy = normals(tokens * n, `dy${n}`)
      const gradients = tf.grads((a, b, c) => layerNorm(a as Tensor2D, b as Tensor1D, c as Tensor1D, epsilon))(
        [...inputs],
        tf.tensor2d(dy, [tokens, n])
      )
      for (const [i, gradient] of gradients.entries()) {
        expectClose(await gradient.data(), numericalGradient(f, [x, gamma, beta], i, dy), GRADIENT)
      }
    })
  }

  test("a large mean does not cancel", async () => {
    const n = 64
    const x = normals(2 * n, "mean").map((v) => v + 1000)
    const [gamma, beta] = [new Float32Array(n).fill(1), new Float32Array(n)]
    const expected = exact(n, 1e-12)([x, gamma, beta].map((v) => Float64Array.from(v)))
    // float32 knows 1000 + v to 6e-5; E[x²] − (E x)² would be off by 0.1
    expectClose(await layerNorm(...layer(x, gamma, beta), 1e-12).data(), expected, 1e-4)
  })

  test("no leak, with and without a tape", async () => {
    const inputs = layer(normals(96, "leak"), normals(48, "g"), normals(48, "b"))
    await expectNoLeak(() => layerNorm(...inputs, 1e-12).dispose())
    await expectNoLeak(() =>
      tf
        .grad((x) => layerNorm(x as Tensor2D, inputs[1], inputs[2], 1e-12))(inputs[0])
        .dispose()
    )
  })
})
