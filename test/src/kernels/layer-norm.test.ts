import { expect, test } from "bun:test"
import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { layerNorm } from "../../../src/kernels/layer-norm.ts"
import { valueAndGradients } from "../../../src/tensors/gradients.ts"
import { describeOnEach } from "../../backends.ts"
import { expectClose, expectNoLeak, tolerance } from "../../setup.ts"
import { normals, numericalGradient } from "./float64.ts"
import { expectSameBits } from "./same-bits.ts"

/** y = γ(s − mean)/√(var + ε) + β for s = x + residual, row by row; the residual comes last, or not at all */
const exact =
  (n: number, epsilon: number) =>
  ([x, gamma, beta, residual]: ReadonlyArray<Float64Array>): Float64Array => {
    const y = new Float64Array(x!.length)
    for (let row = 0; row < x!.length; row += n) {
      const values = x!.subarray(row, row + n).map((v, i) => v + (residual?.[row + i] ?? 0))
      const mean = values.reduce((a, b) => a + b, 0) / n
      const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / n
      for (let i = 0; i < n; i++)
        y[row + i] = (gamma![i]! * (values[i]! - mean)) / Math.sqrt(variance + epsilon) + beta![i]!
    }
    return y
  }

/** Gradients: sums of n products, against central differences good to about 1e-9. */
const GRADIENT = 5e-6

/** three shapes in one process, odd ones and a single column among them */
const shapes = [
  [5, 48, 1e-12],
  [1, 7, 1e-3],
  [33, 3, 1e-5],
  [6, 130, 1e-12],
  [4, 1, 1e-3]
] as const

const inputsOf = (tokens: number, n: number) => [
  normals(tokens * n, `x${n}`).map((v) => 3 * v + 2),
  normals(n, `gamma${n}`),
  normals(n, `beta${n}`),
  normals(tokens * n, `residual${n}`)
]

/** Host arrays → tensors, in `layerNorm`'s order. */
const layer = ([x, gamma, beta, residual]: ReadonlyArray<Float32Array>) => {
  const shape: [number, number] = [x!.length / gamma!.length, gamma!.length]
  return {
    x: tf.tensor2d(x!, shape),
    gamma: tf.tensor1d(gamma!),
    beta: tf.tensor1d(beta!),
    ...(residual === undefined ? {} : { residual: tf.tensor2d(residual, shape) })
  }
}
type Layer = ReturnType<typeof layer>

const normalized = ({ x, residual, gamma, beta }: Layer, epsilon: number) =>
  layerNorm(x, residual ?? null, gamma, beta, epsilon)

/** y and the gradients of x, γ, β and the residual. */
const differentiated = (inputs: Layer, epsilon: number, dy: Float32Array) => {
  const { x, gamma, beta, residual } = inputs
  const xs = residual === undefined ? [x, gamma, beta] : [x, gamma, beta, residual]
  return tf.valueAndGrads((a, b, c, d) =>
    layerNorm(a as Tensor2D, (d as Tensor2D | undefined) ?? null, b as Tensor1D, c as Tensor1D, epsilon)
  )(xs, tf.tensor2d(dy, x.shape))
}

describeOnEach(() => {
  for (const [tokens, n, epsilon] of [...shapes, ...shapes.toReversed()]) {
    for (const terms of [3, 4]) {
      test(`[${tokens}, ${n}], ${terms === 4 ? "with" : "without"} a residual: values and gradients against float64`, async () => {
        const f = exact(n, epsilon)
        const host = inputsOf(tokens, n).slice(0, terms)
        const dy = normals(tokens * n, `dy${n}`)
        const { value, grads } = differentiated(layer(host), epsilon, dy)
        expectClose(await value.data(), f(host.map((v) => Float64Array.from(v))), tolerance.operation)
        expect(grads).toHaveLength(terms)
        for (const [i, gradient] of grads.entries()) {
          // one column alone: x̂ = 0, and so is every gradient but that of β
          if (n === 1 && i !== 2) expect(await gradient.data()).toEqual(new Float32Array(gradient.size))
          else expectClose(await gradient.data(), numericalGradient(f, host, i, dy), GRADIENT)
        }
      })
    }
  }

  test("many rows: each as if it were alone, and the sums over all of them", async () => {
    const [tokens, n] = [311, 66]
    const host = inputsOf(tokens, n)
    const dy = normals(tokens * n, "many")
    const { value, grads } = differentiated(layer(host), 1e-5, dy)
    const row = (values: ArrayLike<number>, i: number) => Float32Array.from(values).slice(i * n, (i + 1) * n)
    const [y, dx] = [await value.data(), await grads[0]!.data()]
    for (const i of [0, 19, 20, 160, 310]) {
      const alone = [row(host[0]!, i), host[1]!, host[2]!, row(host[3]!, i)]
      const one = differentiated(layer(alone), 1e-5, row(dy, i))
      expect(row(y, i)).toEqual(Float32Array.from(await one.value.data()))
      expect(row(dx, i)).toEqual(Float32Array.from(await one.grads[0]!.data()))
    }
    const columns = (values: ArrayLike<number>) =>
      Float64Array.from({ length: n }, (_, j) => {
        let sum = 0
        for (let i = j; i < tokens * n; i += n) sum += values[i]!
        return sum
      })
    const unit = [host[0]!, new Float32Array(n).fill(1), new Float32Array(n), host[3]!].map((v) => Float64Array.from(v))
    const normal = exact(n, 1e-5)(unit)
    expectClose(await grads[1]!.data(), columns(normal.map((v, i) => v * dy[i]!)), tolerance.operation)
    expectClose(await grads[2]!.data(), columns(dy), tolerance.operation)
  })

  test("a large mean does not cancel", async () => {
    const n = 64
    const host = [normals(2 * n, "mean").map((v) => v + 1000), new Float32Array(n).fill(1), new Float32Array(n)]
    const expected = exact(n, 1e-12)(host.map((v) => Float64Array.from(v)))
    // float32 knows 1000 + v to 6e-5; E[x²] − (E x)² would be off by 0.1
    expectClose(await normalized(layer(host), 1e-12).data(), expected, 1e-4)
  })

  test("the mean of many large numbers does not cancel", async () => {
    const n = 4098
    // what float32 knows exactly: so the mean's rounding, 30 units of the sum's last place if it were not corrected, is all there is
    const x = Float32Array.from({ length: n }, (_, i) => 4096 + (i % 7) / 8)
    const host = [x, new Float32Array(n).fill(1), new Float32Array(n)]
    const expected = exact(n, 1e-12)(host.map((v) => Float64Array.from(v)))
    expectClose(await normalized(layer(host), 1e-12).data(), expected, 1e-3)
  })

  test("a row with NaN or ∞ is NaN, and no other row is", async () => {
    const n = 9
    const x = normals(4 * n, "bad")
    x[3] = Number.NaN
    x[n + 8] = Number.POSITIVE_INFINITY
    x[2 * n] = Number.NEGATIVE_INFINITY
    const inputs = layer([x, normals(n, "g"), normals(n, "b")])
    const dy = new Float32Array(4 * n).fill(1)
    const { value, grads } = differentiated(inputs, 1e-5, dy)
    const bad = Array.from(x, (_, i) => i < 3 * n)
    expect(Array.from(await value.data(), Number.isNaN)).toEqual(bad)
    expect(Array.from(await grads[0]!.data(), Number.isNaN)).toEqual(bad)
    expect(Array.from(await grads[1]!.data()).every(Number.isNaN)).toBe(true)
  })

  test("numbers whose squares overflow give β, not NaN", async () => {
    const inputs = layer([
      Float32Array.from([1e30, -1e30, 3e30, 2e30, 1e30]),
      new Float32Array(5).fill(1),
      normals(5, "b")
    ])
    expect(await normalized(inputs, 1e-5).data()).toEqual(normals(5, "b"))
  })

  test("x may be its own residual", async () => {
    const [x, gamma, beta] = inputsOf(5, 48)
    const own = layer([x!, gamma!, beta!])
    const { value, grad } = tf.valueAndGrad((a) => layerNorm(a as Tensor2D, a as Tensor2D, own.gamma, own.beta, 1e-5))(
      own.x
    )
    const double = layer([x!.map((v) => 2 * v), gamma!, beta!])
    expect(await value.data()).toEqual(await normalized(double, 1e-5).data())
    const once = tf.grad((a) => layerNorm(a as Tensor2D, null, own.gamma, own.beta, 1e-5))(double.x)
    const largest = Math.max(...(await once.data()).map(Math.abs))
    const difference = tf.sub(grad, tf.mul(once, 2))
    expect(Math.max(...(await difference.data()).map(Math.abs))).toBeLessThanOrEqual(1e-6 + 1e-6 * largest)
  })

  test("no leak, with and without a tape, whichever gradients are wanted", async () => {
    const inputs = layer(inputsOf(2, 48))
    const { x, residual, gamma, beta } = inputs
    await expectNoLeak(() => normalized(inputs, 1e-12).dispose())
    const wanted = [[x], [residual!], [gamma], [residual!, x], [x, gamma, beta, residual!]] as const
    for (const xs of wanted) {
      await expectNoLeak(() => {
        const { value, gradients } = valueAndGradients(() => tf.sum(normalized(inputs, 1e-12)), xs)
        tf.dispose([value, ...gradients])
      })
    }
  })
})

test("the same bits from any number of threads", () =>
  expectSameBits(() => {
    const { value, grads } = differentiated(layer(inputsOf(701, 130)), 1e-5, normals(701 * 130, "threads"))
    return [value, ...grads]
  }))
