import { expect, test } from "bun:test"
import type { Scalar, Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { rmsNorm, rmsNormAndSum } from "../../../src/kernels/rms-norm.ts"
import { valueAndGradients } from "../../../src/tensors/gradients.ts"
import { describeOnEach } from "../../backends.ts"
import { expectClose, expectNoLeak, tolerance } from "../../setup.ts"
import { normals, numericalGradient } from "./float64.ts"
import { kernelCalls, weighted } from "./oracle.ts"

/** y = γs/√(mean s² + ε) for s = x + residual, row by row, and after it s; the residual comes last, or not at all */
const exact =
  (n: number, epsilon: number) =>
  ([x, gamma, residual]: ReadonlyArray<Float64Array>): Float64Array => {
    const s = x!.map((v, i) => v + (residual?.[i] ?? 0))
    const y = new Float64Array(s.length)
    for (let row = 0; row < s.length; row += n) {
      const squares = s.subarray(row, row + n).reduce((sum, v) => sum + v * v, 0)
      for (let i = 0; i < n; i++) y[row + i] = (gamma![i]! * s[row + i]!) / Math.sqrt(squares / n + epsilon)
    }
    return Float64Array.from([...y, ...s])
  }

/** Gradients: sums of n products, against central differences good to about 1e-9. */
const GRADIENT = 5e-6

/** odd ones and a single column among them */
const shapes = [
  [5, 48, 1e-6],
  [1, 7, 1e-3],
  [33, 3, 1e-5],
  [2, 130, 1e-6],
  [4, 1, 0.5]
] as const

const inputsOf = (tokens: number, n: number) => [
  normals(tokens * n, `x${n}`).map((v) => 3 * v + 2),
  normals(n, `gamma${n}`),
  normals(tokens * n, `residual${n}`)
]

/** Host arrays → tensors. */
const layer = ([x, gamma, residual]: ReadonlyArray<Float32Array>) => {
  const shape: [number, number] = [x!.length / gamma!.length, gamma!.length]
  const [own, scale] = [tf.tensor2d(x!, shape), tf.tensor1d(gamma!)]
  return { x: own, gamma: scale, residual: residual === undefined ? null : tf.tensor2d(residual, shape) }
}
type Layer = ReturnType<typeof layer>
type WithResidual = Layer & { readonly residual: Tensor2D }

const normalized = ({ x, residual, gamma }: Layer, epsilon: number) => rmsNorm(x, residual, gamma, epsilon)

/** y, s, and the gradients of Σ y∘dy + s∘ds with respect to `xs`. */
const differentiated = (
  { x, residual, gamma }: WithResidual,
  epsilon: number,
  [dy, ds]: readonly [Tensor, Tensor],
  xs: ReadonlyArray<Tensor> = [x, gamma, residual]
) => {
  const [y, sum] = rmsNormAndSum(x, residual, gamma, epsilon)
  const { value, gradients } = valueAndGradients(() => {
    const outputs = rmsNormAndSum(x, residual, gamma, epsilon)
    return tf.add(weighted(outputs[0], dy), weighted(outputs[1], ds)) as Scalar
  }, xs)
  value.dispose()
  return { y, sum, gradients }
}

/** Gradients of Σ y∘dy. */
const gradientsOf = (inputs: Layer, epsilon: number, dy: Tensor, xs: ReadonlyArray<Tensor>) => {
  const { value, gradients } = valueAndGradients(() => weighted(normalized(inputs, epsilon), dy), xs)
  value.dispose()
  return gradients
}

const join = (...arrays: ReadonlyArray<ArrayLike<number>>) =>
  Float64Array.from(arrays.flatMap((values) => Array.from(values)))

describeOnEach((backend) => {
  for (const [tokens, n, epsilon] of [...shapes, ...shapes.toReversed()]) {
    for (const terms of [2, 3]) {
      test(`[${tokens}, ${n}], ${terms === 3 ? "with" : "without"} a residual: value and gradients against float64`, async () => {
        const f = (xs: ReadonlyArray<Float64Array>) => exact(n, epsilon)(xs).subarray(0, tokens * n)
        const host = inputsOf(tokens, n).slice(0, terms)
        const dy = normals(tokens * n, `dy${n}`)
        const inputs = layer(host)
        expectClose(
          await normalized(inputs, epsilon).data(),
          f(host.map((v) => Float64Array.from(v))),
          tolerance.operation
        )
        const xs = [inputs.x, inputs.gamma, inputs.residual!].slice(0, terms)
        const gradients = gradientsOf(inputs, epsilon, tf.tensor2d(dy, [tokens, n]), xs)
        expect(gradients).toHaveLength(terms)
        for (const [i, gradient] of gradients.entries())
          expectClose(await gradient.data(), numericalGradient(f, host, i, dy), GRADIENT)
      })
    }

    test(`[${tokens}, ${n}], and the sum: both values, and gradients through both, against float64`, async () => {
      const f = exact(n, epsilon)
      const host = inputsOf(tokens, n)
      const [dy, ds] = [normals(tokens * n, `dy${n}`), normals(tokens * n, `ds${n}`)]
      const slopes = [tf.tensor2d(dy, [tokens, n]), tf.tensor2d(ds, [tokens, n])] as const
      const { y, sum, gradients } = differentiated(layer(host) as WithResidual, epsilon, slopes)
      expectClose(join(await y.data(), await sum.data()), f(host.map((v) => Float64Array.from(v))), tolerance.operation)
      expect(gradients).toHaveLength(3)
      for (const [i, gradient] of gradients.entries())
        expectClose(await gradient.data(), numericalGradient(f, host, i, join(dy, ds)), GRADIENT)
    })
  }

  test("the three forms agree to the last bit", async () => {
    const [tokens, n] = [7, 50]
    const inputs = layer(inputsOf(tokens, n)) as WithResidual
    const { x, residual, gamma } = inputs
    const zeros = tf.zeros(x.shape)
    const dy = tf.tensor2d(normals(tokens * n, "dy"), [tokens, n])
    const { y, sum, gradients } = differentiated(inputs, 1e-5, [dy, zeros])
    expect(await sum.data()).toEqual(await tf.add(x, residual).data())
    const alone = { x: sum, residual: null, gamma }
    for (const other of [normalized(inputs, 1e-5), normalized(alone, 1e-5)])
      expect(await other.data()).toEqual(await y.data())
    for (const others of [
      gradientsOf(inputs, 1e-5, dy, [x, gamma, residual]),
      gradientsOf(alone, 1e-5, dy, [sum, gamma])
    ]) {
      for (const [i, other] of others.entries()) expect(await other.data()).toEqual(await gradients[i]!.data())
    }
  })

  test("only one of the two outputs is used", async () => {
    const inputs = layer(inputsOf(3, 10)) as WithResidual
    const { x, residual, gamma } = inputs
    const slopes = tf.tensor2d(normals(30, "slopes"), [3, 10])
    const through = (which: 0 | 1, xs: ReadonlyArray<Tensor>) =>
      valueAndGradients(() => weighted(rmsNormAndSum(x, residual, gamma, 1e-5)[which], slopes), xs).gradients
    const ofFirst = through(0, [x, residual, gamma])
    const expected = gradientsOf(inputs, 1e-5, slopes, [x, residual, gamma])
    for (const [i, gradient] of ofFirst.entries()) expect(await gradient.data()).toEqual(await expected[i]!.data())
    for (const gradient of through(1, [x, residual])) expect(await gradient.data()).toEqual(await slopes.data())
  })

  test("what is not wanted is not computed, and what two terms share is computed once", () => {
    const inputs = layer(inputsOf(3, 10)) as WithResidual
    const { x, residual, gamma } = inputs
    const slopes = tf.onesLike(x)
    const called = (f: () => unknown) => {
      const calls = kernelCalls(() => tf.tidy(() => void f()))
      const own = ["RmsNormBackward", "RmsNormAndSumBackward", "RmsNormScaleGradient"] as const
      return own.map((name) => calls.get(name) ?? 0)
    }
    const plain = { ...inputs, residual: null }
    expect(called(() => gradientsOf(plain, 1e-5, slopes, [x]))).toEqual([1, 0, 0])
    expect(called(() => gradientsOf(plain, 1e-5, slopes, [gamma]))).toEqual([0, 0, 1])
    expect(called(() => gradientsOf(inputs, 1e-5, slopes, [gamma]))).toEqual([0, 0, 1])
    expect(called(() => gradientsOf(inputs, 1e-5, slopes, [residual]))).toEqual([1, 0, 0])
    expect(called(() => gradientsOf(inputs, 1e-5, slopes, [x, residual]))).toEqual([1, 0, 0])
    const both = (xs: ReadonlyArray<Tensor>) => called(() => differentiated(inputs, 1e-5, [slopes, slopes], xs))
    expect(both([gamma])).toEqual([0, 0, 1])
    expect(both([x, residual])).toEqual([0, 1, 0])
    expect(both([x, residual, gamma])).toEqual([0, 1, 1])
  })

  test("many rows: each as if it were alone, and dγ over all of them", async () => {
    const [tokens, n] = [311, 66]
    const host = inputsOf(tokens, n)
    const [dy, ds] = [normals(tokens * n, "many"), normals(tokens * n, "sums")]
    const outcome = (arrays: ReadonlyArray<Float32Array>, slopes: ReadonlyArray<Float32Array>) => {
      const inputs = layer(arrays) as WithResidual
      const [a, b] = slopes.map((values) => tf.tensor2d(values, inputs.x.shape))
      return differentiated(inputs, 1e-5, [a!, b!])
    }
    const row = (values: ArrayLike<number>, i: number) => Float32Array.from(values).slice(i * n, (i + 1) * n)
    const { y, gradients } = outcome(host, [dy, ds])
    const [values, dx] = [await y.data(), await gradients[0]!.data()]
    for (const i of [0, 19, 20, 160, 310]) {
      const one = outcome([row(host[0]!, i), host[1]!, row(host[2]!, i)], [row(dy, i), row(ds, i)])
      expect(row(values, i)).toEqual(Float32Array.from(await one.y.data()))
      expect(row(dx, i)).toEqual(Float32Array.from(await one.gradients[0]!.data()))
    }
    const unit = [host[0]!, new Float32Array(n).fill(1), host[2]!].map((v) => Float64Array.from(v))
    const expected = new Float64Array(n)
    for (const [i, value] of exact(
      n,
      1e-5
    )(unit)
      .subarray(0, tokens * n)
      .entries())
      expected[i % n]! += value * dy[i]!
    expectClose(await gradients[1]!.data(), expected, tolerance.operation)
  })

  test("many numbers: their squares' sum loses nothing", async () => {
    const n = 65_536
    // in float32, one after the other, all squares after the first four would vanish beside their sum: 1.2e-4 of r
    const x = Float32Array.from({ length: n }, (_, i) => (i < 4 ? 4096 : 0.5))
    const host = [x, new Float32Array(n).fill(1)]
    const expected = exact(n, 1e-6)(host.map((v) => Float64Array.from(v))).subarray(0, n)
    expectClose(await normalized(layer(host), 1e-6).data(), expected, 2e-7)
  })

  test("a row of zeros is zeros, with a gradient", async () => {
    const inputs = layer([new Float32Array(10), normals(5, "gamma")])
    expect(await normalized(inputs, 1e-6).data()).toEqual(new Float32Array(10))
    const [dx] = gradientsOf(inputs, 1e-6, tf.ones([2, 5]), [inputs.x])
    const gamma = normals(5, "gamma")
    expectClose(
      await dx!.data(),
      [...gamma, ...gamma].map((v) => v * 1e3),
      tolerance.operation
    )
  })

  test("numbers whose squares overflow: right on wasm, and not NaN on the other", async () => {
    const host = [Float32Array.from([1e30, -1e30, 3e30, 2e30, 1e38]), normals(5, "gamma")]
    const inputs = layer(host)
    const expected = exact(5, 1e-6)(host.map((v) => Float64Array.from(v))).subarray(0, 5)
    const y = await normalized(inputs, 1e-6).data()
    if (backend === "wasm") expectClose(y, expected, tolerance.operation)
    else expect(Array.from(y, Math.abs)).toEqual([0, 0, 0, 0, 0])
    const [dx] = gradientsOf(inputs, 1e-6, tf.ones([1, 5]), [inputs.x])
    expect(Array.from(await dx!.data()).every(Number.isFinite)).toBe(true)
  })

  test("a row with NaN is NaN, one with ∞ has NaN in its place, and no other row is touched", async () => {
    const n = 9
    const x = normals(4 * n, "bad")
    x[3] = Number.NaN
    x[n + 8] = Number.POSITIVE_INFINITY
    x[2 * n] = Number.NEGATIVE_INFINITY
    const inputs = layer([x, normals(n, "g")])
    const y = await normalized(inputs, 1e-5).data()
    expect(Array.from(y, Number.isNaN)).toEqual(Array.from(x, (_, i) => i < n || i === n + 8 || i === 2 * n))
    const [dx, dgamma] = gradientsOf(inputs, 1e-5, tf.ones([4, n]), [inputs.x, inputs.gamma])
    expect(Array.from(await dx!.data(), Number.isNaN)).toEqual(Array.from(x, (_, i) => i < 3 * n))
    expect(Array.from(await dgamma!.data()).every(Number.isNaN)).toBe(true)
  })

  test("x may be its own residual", async () => {
    const [x, gamma] = inputsOf(5, 48)
    const own = layer([x!, gamma!])
    const twice = { ...own, residual: own.x }
    const double = layer([x!.map((v) => 2 * v), gamma!])
    expect(await normalized(twice, 1e-5).data()).toEqual(await normalized(double, 1e-5).data())
    const dy = tf.tensor2d(normals(5 * 48, "dy"), [5, 48])
    const [once] = gradientsOf(double, 1e-5, dy, [double.x])
    const expected = (await once!.data()).map((v) => 2 * v)
    const [dx] = gradientsOf(twice, 1e-5, dy, [own.x])
    expect(await dx!.data()).toEqual(expected)
    // tfjs's own walk disposes other tensors at other times
    const theirs = tf.grad((z) => rmsNorm(z as Tensor2D, z as Tensor2D, own.gamma, 1e-5))(own.x, dy)
    expect(await theirs.data()).toEqual(expected)
  })

  test("tfjs's own gradients are the same", async () => {
    const inputs = layer(inputsOf(5, 48)) as WithResidual
    const { x, residual, gamma } = inputs
    const [dy, ds] = ["dy", "ds"].map((name) => tf.tensor2d(normals(5 * 48, name), [5, 48]))
    const { gradients } = differentiated(inputs, 1e-5, [dy!, ds!])
    const theirs = tf.grads((a: Tensor, b: Tensor, c: Tensor) => {
      const [y, sum] = rmsNormAndSum(a as Tensor2D, c as Tensor2D, b as Tensor1D, 1e-5)
      return tf.add(weighted(y, dy!), weighted(sum, ds!))
    })([x, gamma, residual])
    for (const [i, gradient] of theirs.entries()) expect(await gradient.data()).toEqual(await gradients[i]!.data())
  })

  test("no leak, with and without a tape, whichever gradients are wanted", async () => {
    const inputs = layer(inputsOf(2, 48)) as WithResidual
    const { x, residual, gamma } = inputs
    const slopes = tf.onesLike(x)
    await expectNoLeak(() => normalized(inputs, 1e-5).dispose())
    await expectNoLeak(() => normalized({ ...inputs, residual: null }, 1e-5).dispose())
    await expectNoLeak(() => tf.dispose([...rmsNormAndSum(x, residual, gamma, 1e-5)]))
    for (const xs of [[x], [residual], [gamma], [residual, x], [x, gamma, residual]]) {
      await expectNoLeak(() => tf.dispose([...gradientsOf(inputs, 1e-5, slopes, xs)]))
      await expectNoLeak(() => {
        const { y, sum, gradients } = differentiated(inputs, 1e-5, [slopes, slopes], xs)
        tf.dispose([y, sum, ...gradients])
      })
    }
  })
})
