/** Attention on a GPU beyond the laws: every set of programs, memory, more than 65,535 workgroups. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import type { Tensor, Tensor1D, Tensor2D, Tensor3D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { attention } from "../../../../src/kernels/attention.ts"
import { provideWebgpuEngine } from "../../../../src/kernels/webgpu/engine.ts"
import { webgpu } from "../../../runtime/runtimes.ts"
import { expectClose } from "../../../setup.ts"
import { holdWebgpu, onWebgpu } from "../../device/on-webgpu.ts"
import { normals } from "../float64.ts"

interface Size {
  readonly heads: number
  readonly keyHeads: number
  /** default: causal */
  readonly both?: boolean
  readonly biased?: boolean
  readonly d: number
  readonly queries: number
  readonly keys: number
  /** the tokens of each row's texts, and its padding behind them */
  readonly texts: ReadonlyArray<ReadonlyArray<number>>
  readonly window?: number
  readonly softCap?: number
  /** what all of q is multiplied by */
  readonly factor?: number
}

/** Over max|y|, of float32 sums in another order; a gradient is a sum of products of such. */
const VALUE = 2e-6
const GRADIENT = 2e-5
/** What float32 holds of scores up to some hundreds is an exponential to 1e-5 and a few times that. */
const OF_LARGE_SCORES = 2e-4
/** Of a program, on a GPU that is emulated on a busy machine. */
const COMPILING = 180_000

const segmentsOf = ({ texts, keys }: Size, count: number): Tensor1D =>
  tf.tensor1d(
    texts.flatMap((lengths) => {
      const row = lengths.flatMap((length, i) => Array.from({ length }, () => i))
      return Array.from({ length: keys }, (_, j) => row[j] ?? -1).slice(keys - count)
    }),
    "int32"
  )

/** O and, where they are wanted, the gradients of q, k and v. */
const outcome = async (size: Size, gradients = true): Promise<ReadonlyArray<Float32Array>> => {
  const { heads, keyHeads, d, queries, keys, texts, window = null, softCap = null, factor = 1, both = false } = size
  const batch = texts.length
  const tensors = tf.tidy(() => {
    const of = (name: string, length: number, own: number): Tensor2D => {
      const values = normals(batch * length * own * d, `${name}${JSON.stringify(size)}`)
      return tf.tensor2d(name === "q" ? values.map((x) => x * factor) : values, [batch * length, own * d])
    }
    const inputs = [of("q", queries, heads), of("k", keys, keyHeads), of("v", keys, keyHeads)]
    const segments = { queries: segmentsOf(size, queries), keys: segmentsOf(size, keys) }
    const shape = { batch, heads, keyHeads, softCap, mask: { causal: !both, window, segments } }
    const biases = normals(heads * queries * keys, `bias${JSON.stringify(size)}`)
    const bias = size.biased === true ? tf.tensor3d(biases, [heads, queries, keys]) : null
    const run = (...[q, k, v]: ReadonlyArray<Tensor>) =>
      attention({ q: q as Tensor2D, k: k as Tensor2D, v: v as Tensor2D, bias: bias as Tensor3D | null, ...shape })
    if (!gradients) return [run(...inputs)]
    const { value, grads } = tf.valueAndGrads(run)(inputs, of("dO", queries, heads))
    return [value, ...grads]
  })
  const values = await Promise.all(tensors.map(async (x) => (await x.data()).slice() as Float32Array))
  tf.dispose(tensors)
  return values
}

/** Runs `f` as on a GPU that is one, or as on one that is emulated; answers with the workgroups of each program. */
const as = <A>(software: boolean, f: () => Promise<A>): Promise<readonly [A, ReadonlyMap<string, number>]> =>
  onWebgpu(async (engine) => {
    const backend = tf.backend()
    const groups = new Map<string, number>()
    const run: typeof engine.run = (own, buffers, words, count) => {
      groups.set(own.name, count)
      engine.run(own, buffers, words, count)
    }
    provideWebgpuEngine(backend, { ...engine, software, run })
    try {
      return [await f(), groups]
    } finally {
      provideWebgpuEngine(backend, engine)
    }
  })

const expectSame = (actual: ReadonlyArray<Float32Array>, expected: ReadonlyArray<Float32Array>, { factor }: Size) => {
  const [value, ...gradients] = expected
  expectClose(actual[0]!, value!, factor === undefined ? VALUE : OF_LARGE_SCORES)
  const most = Math.max(...gradients.flatMap((x) => Array.from(x, Math.abs)))
  // a gradient that vanishes, of one key alone, is rounding; what the others hold is beside it
  for (const [i, gradient] of gradients.entries())
    expectClose([...actual[i + 1]!, most], [...gradient, most], factor === undefined ? GRADIENT : OF_LARGE_SCORES)
}

/** Enough queries for programs with many to a workgroup, on either kind of device. */
const many: ReadonlyArray<Size> = [
  // groups of 1, 2, 3 and 8 heads
  { heads: 2, keyHeads: 2, d: 4, queries: 17, keys: 17, texts: [[17], [9]] },
  { heads: 4, keyHeads: 2, d: 4, queries: 67, keys: 71, texts: [[71]], window: 5 },
  { heads: 3, keyHeads: 1, d: 4, queries: 70, keys: 70, texts: [[20, 31, 10]], softCap: 1.5 },
  { heads: 8, keyHeads: 1, d: 4, queries: 33, keys: 40, texts: [[40], [3, 30]], window: 6 },
  { heads: 2, keyHeads: 1, d: 4, queries: 65, keys: 65, texts: [[65]], factor: 60 },
  // a row that is no whole vec4, and rows that are split among invocations
  { heads: 2, keyHeads: 1, d: 6, queries: 19, keys: 19, texts: [[8, 10]], window: 4 },
  { heads: 2, keyHeads: 1, d: 64, queries: 66, keys: 67, texts: [[40, 20]], window: 33, softCap: 3 },
  { heads: 1, keyHeads: 1, d: 256, queries: 35, keys: 35, texts: [[35]] },
  // both ways, padded, within windows
  { both: true, heads: 3, keyHeads: 3, d: 4, queries: 18, keys: 18, texts: [[18], [15]] },
  { both: true, heads: 2, keyHeads: 2, d: 6, queries: 67, keys: 67, texts: [[66]] },
  { both: true, heads: 2, keyHeads: 1, d: 64, queries: 66, keys: 66, texts: [[40, 20]], window: 9 },
  // with a bias
  { heads: 4, keyHeads: 2, d: 4, queries: 70, keys: 70, texts: [[70], [50]], biased: true },
  { both: true, heads: 2, keyHeads: 2, d: 4, queries: 20, keys: 41, texts: [[41], [30]], biased: true, softCap: 2 }
]

/** A workgroup each on either kind of device. */
const few: ReadonlyArray<Size> = [
  { heads: 3, keyHeads: 1, d: 6, queries: 1, keys: 1, texts: [[1], [0]] },
  { heads: 9, keyHeads: 3, d: 64, queries: 1, keys: 300, texts: [[300], [100, 200]] },
  { heads: 8, keyHeads: 1, d: 6, queries: 3, keys: 70, texts: [[70]], window: 40, softCap: 2 },
  { heads: 2, keyHeads: 2, d: 64, queries: 4, keys: 9, texts: [[9], [7]], factor: 60 },
  // more columns than invocations, where those are 64 and a number is a column
  { heads: 2, keyHeads: 1, d: 83, queries: 2, keys: 5, texts: [[2, 3]] },
  { heads: 1, keyHeads: 1, d: 256, queries: 1, keys: 515, texts: [[515]], window: 513 },
  { both: true, heads: 3, keyHeads: 3, d: 8, queries: 1, keys: 1, texts: [[1], [1]] },
  { both: true, heads: 4, keyHeads: 2, d: 8, queries: 4, keys: 300, texts: [[280], [300]], biased: true }
]

describe.skipIf(!webgpu.exists)("on a GPU", () => {
  const held = holdWebgpu()
  beforeAll(async () => {
    await held.open()
    await tf.setBackend("cpu")
  }, COMPILING)
  afterAll(held.close)

  for (const software of [false, true]) {
    const programs = software ? "by blocks" : "by rows"

    test(
      `${programs}: the numbers of the reference, in both orders`,
      async () => {
        const expected = new Map<Size, ReadonlyArray<Float32Array>>()
        for (const size of many) expected.set(size, await outcome(size))
        await as(software, async () => {
          for (const size of [...many, ...many.toReversed()]) expectSame(await outcome(size), expected.get(size)!, size)
        })
      },
      COMPILING
    )

    test(
      `few queries, ${software ? 64 : 256} keys a round: the numbers of the reference, in both orders`,
      async () => {
        const expected = new Map<Size, ReadonlyArray<Float32Array>>()
        for (const size of few) expected.set(size, await outcome(size, false))
        for (const size of [...few, ...few.toReversed()]) {
          const [actual, groups] = await as(software, () => outcome(size, false))
          expectSame(actual, expected.get(size)!, size)
          expect(groups.get("Attention")).toBe(size.texts.length * size.heads * size.queries)
        }
      },
      COMPILING
    )

    test(
      `${programs}: NaN and ∞ in what is attended show, and in what is not they do not`,
      async () => {
        const [rows] = await as(software, async () => {
          const run = async (bad: number, queries: number) => {
            const q = tf.fill([queries, 4], 1) as Tensor2D
            // of the last key, which the last query alone attends
            const k = tf.tensor2d([...Array<number>(4 * queries - 1).fill(1), bad], [queries, 4])
            const v = tf.ones([queries, 4]) as Tensor2D
            const O = attention({ q, k, v, batch: 1, heads: 1, scale: 1, mask: { causal: true } })
            return Array.from(await O.data())
          }
          return [
            await run(Number.NaN, 2),
            await run(Number.POSITIVE_INFINITY, 2),
            // counts for nothing
            await run(Number.NEGATIVE_INFINITY, 2),
            (await run(Number.NaN, 20)).slice(-8)
          ]
        })
        const nan = Number.NaN
        expect(rows).toEqual([
          [1, 1, 1, 1, nan, nan, nan, nan],
          [1, 1, 1, 1, nan, nan, nan, nan],
          [1, 1, 1, 1, 1, 1, 1, 1],
          [1, 1, 1, 1, nan, nan, nan, nan]
        ])
      },
      COMPILING
    )
  }
})

test.skipIf(!webgpu.exists)(
  "more workgroups than one dimension has",
  async () => {
    const size: Size = {
      both: true,
      heads: 60,
      keyHeads: 60,
      d: 1,
      queries: 2,
      keys: 2,
      texts: Array.from({ length: 1093 }, () => [2])
    }
    expect(size.texts.length * size.heads).toBeGreaterThan(65_535)
    const expected = await outcome(size)
    const [actual] = await as(true, () => outcome(size))
    for (const [i, values] of expected.entries()) expectClose(actual[i]!, values, GRADIENT)
  },
  COMPILING
)

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
    await outcome(size)
    return peak
  })

test.skipIf(!webgpu.exists)(
  "memory grows with the length, not with its square",
  async () => {
    const of = (length: number): Size => ({
      heads: 4,
      keyHeads: 2,
      d: 4,
      queries: length,
      keys: length,
      texts: [[length]]
    })
    const [half, whole] = [await peakOf(of(256)), await peakOf(of(512))]
    expect(whole).toBeLessThan(2.1 * half)
    expect(whole).toBeLessThan((4 * 4 * 512 ** 2) / 4)
  },
  COMPILING
)
