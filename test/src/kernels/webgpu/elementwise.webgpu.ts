/** GELU and SwiGLU on a GPU beyond the laws: against float64, for the largest numbers, for more than 65,535 workgroups. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import type { Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { gelu } from "../../../../src/kernels/gelu.ts"
import { swiglu } from "../../../../src/kernels/swiglu.ts"
import { webgpu } from "../../../runtime/runtimes.ts"
import { expectClose } from "../../../setup.ts"
import { holdWebgpu, onWebgpu } from "../../device/on-webgpu.ts"
import { derivative, exactGelu as exact, normals } from "../float64.ts"

const silu = (x: number) => x / (1 + Math.exp(-x))

/** Over max|y|: rounding, and an exponential that WGSL lets err by 3 + 2|x| units in the last place. */
const BOUND = 1e-6

const row = (values: Float32Array) => tf.tensor2d(values, [1, values.length]) as Tensor2D
const points = Float32Array.from({ length: 162 }, (_, i) => (i - 80) / 10)
/** As many as fill 65,535 workgroups, and some more, which do not fill a vector. */
const MANY = 64 * 65_535 + 64 + 3

describe.skipIf(!webgpu.exists)("on a GPU", () => {
  const held = holdWebgpu()
  beforeAll(held.open)
  afterAll(held.close)

  for (const form of ["erf", "tanh", "quick"] as const) {
    const both = (x: Float32Array, dy: Float32Array) =>
      tf.valueAndGrad((z) => gelu(z as Tensor2D, form))(row(x), row(dy))

    test(`gelu, ${form}: value and derivative against float64`, () =>
      onWebgpu(async () => {
        const { value, grad } = both(points, new Float32Array(points.length).fill(1))
        expectClose(await value.data(), Array.from(points, exact[form]), BOUND)
        expectClose(
          await grad.data(),
          Array.from(points, (x) => derivative(exact[form], x)),
          BOUND
        )
      }))

    test(`gelu, ${form}: the largest numbers are themselves, or 0`, () =>
      onWebgpu(async () => {
        const large = Float32Array.from([100, 1e5, 1e13, 1e20, 3e38])
        const { value, grad } = both(
          Float32Array.from([...large, ...large.map((x) => -x)]),
          new Float32Array(10).fill(1)
        )
        expect(Array.from(await value.data(), Math.abs)).toEqual([...large, 0, 0, 0, 0, 0])
        expect(Array.from(await grad.data(), Math.abs)).toEqual([1, 1, 1, 1, 1, 0, 0, 0, 0, 0])
      }))

    test(`gelu, ${form}: more workgroups than one dimension has`, () =>
      onWebgpu(async () => {
        const x = Float32Array.from({ length: MANY }, (_, i) => points[i % points.length]!)
        const { value, grad } = both(x, x)
        const y = await value.data()
        const last = new Float32Array(y.subarray(MANY - points.length))
        expectClose(last, Array.from(x.subarray(MANY - points.length), exact[form]), BOUND)
        // the same everywhere
        const wrong = (numbers: Float32Array | Int32Array | Uint8Array) =>
          numbers.findIndex((n, i) => i >= points.length && n !== numbers[i - points.length])
        expect(wrong(y)).toBe(-1)
        expect(wrong(await grad.data())).toBe(-1)
      }))
  }

  test("SwiGLU: more workgroups than one dimension has", () =>
    onWebgpu(async () => {
      const gate = Float32Array.from({ length: MANY }, (_, i) => points[i % points.length]!)
      const up = Float32Array.from({ length: MANY }, (_, i) => 1 + (i % 5))
      const { value, grads } = tf.valueAndGrads((a, b) => swiglu(a as Tensor2D, b as Tensor2D))(
        [row(gate), row(up)],
        row(new Float32Array(MANY).fill(1))
      )
      const [y, dgate, dup] = await Promise.all([value!, ...grads].map((tensor) => tensor.data()))
      const near = (from: number, to: number) => {
        const places = Array.from({ length: to - from }, (_, i) => from + i)
        expectClose(
          y!.subarray(from, to),
          places.map((i) => silu(gate[i]!) * up[i]!),
          BOUND
        )
        expectClose(
          dgate!.subarray(from, to),
          places.map((i) => derivative(silu, gate[i]!) * up[i]!),
          BOUND
        )
        expectClose(
          dup!.subarray(from, to),
          places.map((i) => silu(gate[i]!)),
          BOUND
        )
      }
      near(0, 200)
      near(MANY - 200, MANY)
    }))

  test("SwiGLU: far from 0 nothing overflows", () =>
    onWebgpu(async () => {
      const gate = Float32Array.from([100, 1e4, 3e38, -100, -1e4, -3e38])
      const y = await swiglu(row(gate), row(new Float32Array(6).fill(1))).data()
      expect(Array.from(y, Math.abs)).toEqual([...gate.subarray(0, 3), 0, 0, 0])
    }))

  test("the same numbers whether they fill vectors or not", () =>
    onWebgpu(async () => {
      const x = normals(4097, "vectors")
      for (const form of ["erf", "tanh", "quick"] as const) {
        const [all, most] = await Promise.all([x, x.subarray(0, 4096)].map((some) => gelu(row(some), form).data()))
        expect(all!.subarray(0, 4096)).toEqual(most!)
      }
    }))
})
