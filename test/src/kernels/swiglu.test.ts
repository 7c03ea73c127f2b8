import { expect, test } from "bun:test"
import type { Tensor, Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { swiglu } from "../../../src/kernels/swiglu.ts"
import { valueAndGradients } from "../../../src/tensors/gradients.ts"
import { describeOnEach } from "../../backends.ts"
import { expectClose, expectNoLeak, tolerance } from "../../setup.ts"
import { derivative, normals, numericalGradient } from "./float64.ts"
import { kernelCalls, weighted } from "./oracle.ts"

const silu = (z: number): number => z / (1 + Math.exp(-z))
const exact = ([gate, up]: ReadonlyArray<Float64Array>): Float64Array => gate!.map((z, i) => silu(z) * up![i]!)

const row = (values: ArrayLike<number>): Tensor2D => tf.tensor2d(Float32Array.from(values), [1, values.length])

/** Gradients of Σ y∘dy. */
const gradientsOf = (gate: Tensor2D, up: Tensor2D, dy: Tensor, xs: ReadonlyArray<Tensor> = [gate, up]) => {
  const { value, gradients } = valueAndGradients(() => weighted(swiglu(gate, up), dy), xs)
  value.dispose()
  return gradients
}

/** across both tails of the sigmoid, to where its exponential leaves float32 */
const points = Float32Array.from({ length: 401 }, (_, i) => (i - 200) / 2.5)

/** Of each number on its own: the roundings of an exponential, a sum, a quotient and three products, of half a unit or one each. */
const POINTWISE = 5e-7

describeOnEach((backend) => {
  test("silu and its derivative, each number for itself, far into both tails", async () => {
    const [gate, ones] = [row(points), tf.ones([1, points.length]) as Tensor2D]
    const y = await swiglu(gate, ones).data()
    const [dgate, dup] = await Promise.all(
      gradientsOf(gate, ones, tf.onesLike(ones)).map((gradient) => gradient.data())
    )
    for (const [i, z] of points.entries()) {
      // WGSL lets exp(z) be off by 3 + 2|z| units in the last place
      const bound = backend === "webgpu" ? Math.max(POINTWISE, (3 + 2 * Math.abs(z)) * 2 ** -23) : POINTWISE
      const sigma = 1 / (1 + Math.exp(-z))
      const slope = sigma + z * sigma * (1 - sigma)
      // below what float32 holds in full, numbers may be 0
      const near = (actual: number, expected: number, terms: number) =>
        Math.abs(actual - expected) <= bound * terms + 1e-36
      expect([z, near(y[i]!, silu(z), Math.abs(silu(z)))]).toEqual([z, true])
      expect([z, near(dup![i]!, silu(z), Math.abs(silu(z)))]).toEqual([z, true])
      // where its two terms cancel, the derivative is as good as they are
      expect([z, near(dgate![i]!, slope, sigma + Math.abs(z * sigma * (1 - sigma)))]).toEqual([z, true])
      expect(Math.abs(slope - derivative(silu, z))).toBeLessThan(1e-9)
    }
  })

  test("sizes of one, odd ones and one of many chunks, in both orders, against float64", async () => {
    const sizes = [1, 2, 3, 5, 7, 1023, 66_051]
    for (const size of [...sizes, ...sizes.toReversed()]) {
      const host = [normals(size, `gate${size}`, 2), normals(size, `up${size}`)]
      const dy = normals(size, `dy${size}`)
      const [gate, up] = host.map(row) as [Tensor2D, Tensor2D]
      const expected = exact(host.map((values) => Float64Array.from(values)))
      expectClose(await swiglu(gate, up).data(), expected, tolerance.operation)
      const gradients = await Promise.all(gradientsOf(gate, up, row(dy)).map((gradient) => gradient.data()))
      const [dgate, dup] = [
        Float64Array.from(dy, (d, i) => d * host[1]![i]! * derivative(silu, host[0]![i]!)),
        Float64Array.from(dy, (d, i) => d * silu(host[0]![i]!))
      ]
      expectClose(gradients[0]!, dgate, tolerance.operation)
      expectClose(gradients[1]!, dup, tolerance.operation)
      if (size > 7) continue
      for (const which of [0, 1])
        expectClose(gradients[which]!, numericalGradient(exact, host, which, dy), tolerance.operation)
    }
  })

  test("zero at zero, nothing far left, gate far right, finite at the edge of float32", async () => {
    const gate = row([0, -0, -1e4, -3e38, 1e4, 3e38])
    const ones = tf.onesLike(gate) as Tensor2D
    expect(Array.from(await swiglu(gate, ones).data(), (v) => v + 0)).toEqual([0, 0, 0, 0, 1e4, Math.fround(3e38)])
    const [dgate] = gradientsOf(gate, ones, tf.onesLike(ones))
    expect(Array.from(await dgate!.data(), (v) => v + 0)).toEqual([0.5, 0.5, 0, 0, 1, 1])
  })

  test("what is not finite does not become so, and stays in its place", async () => {
    const [nan, most] = [Number.NaN, Number.POSITIVE_INFINITY]
    const gate = row([nan, -most, 1, most, 1, 2, 1])
    const up = row([1, 1, 1, 1, nan, most, -2])
    const places = (values: ArrayLike<number>) => Array.from(values, Number.isFinite)
    const gradients = gradientsOf(gate, up, tf.onesLike(gate))
    expect(places(await swiglu(gate, up).data())).toEqual([false, false, true, false, false, false, true])
    expect(places(await gradients[0]!.data())).toEqual([false, false, true, false, false, false, true])
    expect(places(await gradients[1]!.data())).toEqual([false, false, true, false, true, true, true])
  })

  test("both inputs may be one tensor", async () => {
    const z = row(normals(37, "z"))
    const dy = row(normals(37, "dy"))
    const [whole] = gradientsOf(z, z, dy, [z])
    const [dgate, dup] = gradientsOf(z, z.clone(), dy)
    expect(await whole!.data()).toEqual(await tf.add(dgate!, dup!).data())
  })

  test("both gradients are one piece of work, whichever is wanted", () => {
    const [gate, up] = [row(normals(8, "gate")), row(normals(8, "up"))]
    for (const xs of [[gate], [up], [gate, up]]) {
      const calls = kernelCalls(() => tf.tidy(() => void gradientsOf(gate, up, tf.onesLike(gate), xs)))
      expect(calls.get("SwigluBackward")).toBe(1)
    }
  })

  test("no leak, with and without a tape, whichever gradients are wanted", async () => {
    const [gate, up] = [row(normals(9, "gate")), row(normals(9, "up"))]
    const dy = tf.onesLike(gate)
    await expectNoLeak(() => swiglu(gate, up).dispose())
    for (const xs of [[gate], [up], [gate, up]])
      await expectNoLeak(() => tf.dispose([...gradientsOf(gate, up, dy, xs)]))
  })
})
