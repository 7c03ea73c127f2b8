/** Attention on a GPU beyond the laws: both sets of programs, memory, more than 65,535 workgroups. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import type { Tensor, Tensor2D, Tensor4D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { additiveMask, paddedAttention } from "../../../../src/kernels/padded-attention.ts"
import { provideWebgpuEngine } from "../../../../src/kernels/webgpu/engine.ts"
import { webgpu } from "../../../runtime/runtimes.ts"
import { expectClose } from "../../../setup.ts"
import { holdWebgpu, onWebgpu } from "../../device/on-webgpu.ts"
import { normals } from "../float64.ts"

interface Size {
  readonly batch: number
  readonly length: number
  readonly heads: number
  readonly d: number
}

/** Over max|y|, of float32 sums in another order; a gradient is a sum of products of such. */
const VALUE = 2e-6
const GRADIENT = 2e-5
/** Of a program, on a GPU that is emulated on a busy machine. */
const COMPILING = 180_000

const hostOf = ({ batch, length, heads, d }: Size, name: string) =>
  normals(batch * length * heads * d, `${name}${[batch, length, heads, d]}`)

/** O and the gradients of q, k and v; the last sequence is one token shorter. */
const outcome = async (size: Size, [q, k, v]: ReadonlyArray<Float32Array>): Promise<ReadonlyArray<Float32Array>> => {
  const { batch, length, heads, d } = size
  const matrix = (values: Float32Array) => tf.tensor2d(values, [batch * length, heads * d])
  const tensors = tf.tidy(() => {
    const tokens = Float32Array.from({ length: batch * length }, (_, i) => (i === batch * length - 1 && i > 0 ? 0 : 1))
    const mask = additiveMask(tf.tensor2d(tokens, [batch, length])) as Tensor4D
    const run = (...xs: ReadonlyArray<Tensor>) =>
      paddedAttention(xs[0] as Tensor2D, xs[1] as Tensor2D, xs[2] as Tensor2D, mask, { batch, heads })
    const { value, grads } = tf.valueAndGrads(run)([q!, k!, v!].map(matrix), matrix(hostOf(size, "dO")))
    return [value, ...grads]
  })
  const values = await Promise.all(tensors.map(async (x) => (await x.data()).slice() as Float32Array))
  tf.dispose(tensors)
  return values
}

const inputsOf = (size: Size) => ["q", "k", "v"].map((name) => hostOf(size, name))

/** Runs `f` as on a GPU that is one, or as on one that is emulated. */
const as = <A>(software: boolean, f: () => Promise<A>): Promise<A> =>
  onWebgpu(async (engine) => {
    const backend = tf.backend()
    provideWebgpuEngine(backend, { ...engine, software })
    try {
      return await f()
    } finally {
      provideWebgpuEngine(backend, engine)
    }
  })

describe.skipIf(!webgpu.exists)("on a GPU", () => {
  const held = holdWebgpu()
  beforeAll(async () => {
    await held.open()
    await tf.setBackend("cpu")
  }, COMPILING)
  afterAll(held.close)

  for (const software of [false, true]) {
    const programs = software ? "by blocks" : "by rows"
    const sizes: ReadonlyArray<Size> = [
      { batch: 2, length: 5, heads: 3, d: 4 },
      { batch: 1, length: 67, heads: 2, d: 3 },
      { batch: 3, length: 1, heads: 2, d: 8 },
      // a row is split among invocations, evenly and not
      { batch: 1, length: 66, heads: 2, d: 40 },
      { batch: 2, length: 6, heads: 1, d: 33 }
    ]

    test(
      `${programs}: the numbers of the reference, in both orders`,
      async () => {
        const expected = new Map<Size, ReadonlyArray<Float32Array>>()
        for (const size of sizes) expected.set(size, await outcome(size, inputsOf(size)))
        await as(software, async () => {
          for (const size of [...sizes, ...sizes.toReversed()]) {
            const actual = await outcome(size, inputsOf(size))
            const [value, ...gradients] = expected.get(size)!
            expectClose(actual[0]!, value!, VALUE)
            const most = Math.max(...gradients.flatMap((x) => Array.from(x, Math.abs)))
            // a gradient that vanishes, of one key alone, is rounding; what the others hold is beside it
            for (const [i, gradient] of gradients.entries())
              expectClose([...actual[i + 1]!, most], [...gradient, most], GRADIENT)
          }
        })
      },
      COMPILING
    )

    test(
      `${programs}: what is not finite shows where it shows in the reference`,
      async () => {
        const kinds = async () => {
          const found: Array<string> = []
          for (const size of sizes.slice(0, 2))
            for (const [i, bad] of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].entries())
              for (const [j, at] of [0, 11, size.length * size.heads * size.d - 1].entries()) {
                const inputs = inputsOf(size)
                inputs[(i + j) % 3]![at] = bad
                for (const values of await outcome(size, inputs))
                  found.push(Array.from(values, (x) => (Number.isFinite(x) ? "." : `${x}`.at(0)!)).join(""))
              }
          return found
        }
        const expected = await kinds()
        expect(expected.some((letters) => /[^.]/.test(letters))).toBe(true)
        expect(await as(software, kinds)).toEqual(expected)
      },
      COMPILING
    )

    test(
      `${programs}: more workgroups than one dimension has`,
      async () => {
        const size = { batch: 1093, length: 2, heads: 60, d: 1 }
        expect(size.batch * size.heads).toBeGreaterThan(65_535)
        const expected = await outcome(size, inputsOf(size))
        const actual = await as(software, () => outcome(size, inputsOf(size)))
        for (const [i, values] of expected.entries()) expectClose(actual[i]!, values, GRADIENT)
      },
      COMPILING
    )
  }
})

interface Memory {
  readonly bufferManager: { numBytesAllocated: number; acquireBuffer: (...sizes: ReadonlyArray<number>) => unknown }
}

/** Most bytes on the GPU in a forward and backward pass on a new device. */
const peakOf = (size: Size): Promise<number> =>
  onWebgpu(async () => {
    const { bufferManager } = tf.backend() as unknown as Memory
    const acquire = bufferManager.acquireBuffer.bind(bufferManager)
    let peak = 0
    bufferManager.acquireBuffer = (...sizes) => {
      const buffer = acquire(...sizes)
      peak = Math.max(peak, bufferManager.numBytesAllocated)
      return buffer
    }
    await outcome(size, inputsOf(size))
    return peak
  })

test.skipIf(!webgpu.exists)(
  "memory grows with the length, not with its square",
  async () => {
    const size = { batch: 1, length: 512, heads: 4, d: 4 }
    const [half, whole] = [await peakOf({ ...size, length: 256 }), await peakOf(size)]
    expect(whole).toBeLessThan(2.1 * half)
    const probabilities = 4 * size.heads * size.length ** 2
    expect(whole).toBeLessThan(probabilities / 4)
  },
  COMPILING
)
