/** Causal attention against float64, and what each of its choices means in terms of plainer calls. */
import { describe, expect, test } from "bun:test"
import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { causalAttention } from "../../../src/kernels/causal-attention.ts"
import type { CausalShape } from "../../../src/kernels/causal-shape.ts"
import { describeOnEach } from "../../backends.ts"
import { expectClose, expectNoLeak, relativeError, tolerance } from "../../setup.ts"
import { normals, numericalGradient } from "./float64.ts"

interface Sizes extends Omit<CausalShape, "batch"> {
  readonly queries: number
  readonly keys: number
  readonly d: number
  /** a row's segments, of all its keys */
  readonly rows: ReadonlyArray<ReadonlyArray<number>>
}

/** A segment for each token of texts of these lengths, −1 for padding up to `keys`. */
const rowOf = (texts: ReadonlyArray<number>, keys: number): ReadonlyArray<number> => {
  const own = texts.flatMap((length, i) => Array.from({ length }, () => i))
  return Array.from({ length: keys }, (_, j) => own[j] ?? -1)
}

const exact =
  ({ heads, keyValueHeads, scale, window, softcap, queries, keys, d, rows }: Sizes) =>
  ([q, k, v]: ReadonlyArray<Float64Array>): Float64Array => {
    const out = new Float64Array(q!.length)
    for (const [b, segments] of rows.entries())
      for (let h = 0; h < heads; h++)
        for (let i = 0; i < queries; i++) {
          const t = i + keys - queries
          const own = Math.floor(h / (heads / keyValueHeads))
          const query = ((b * queries + i) * heads + h) * d
          const key = (j: number) => ((b * keys + j) * keyValueHeads + own) * d
          const weights = segments.map((segment, j) => {
            if (j > t || segment < 0 || segment !== segments[t] || (window !== null && t - j >= window)) return 0
            let s = 0
            for (let c = 0; c < d; c++) s += scale * q![query + c]! * k![key(j) + c]!
            return Math.exp(softcap === null ? s : softcap * Math.tanh(s / softcap))
          })
          const total = weights.reduce((a, c) => a + c, 0)
          if (total === 0) continue
          for (const [j, weight] of weights.entries())
            for (let c = 0; c < d; c++) out[query + c]! += (weight / total) * v![key(j) + c]!
        }
    return out
  }

type Three = readonly [Tensor2D, Tensor2D, Tensor2D]

const hostsOf = ({ rows, queries, keys, heads, keyValueHeads, d }: Sizes) => [
  normals(rows.length * queries * heads * d, `q${queries}`),
  normals(rows.length * keys * keyValueHeads * d, `k${keys}`),
  normals(rows.length * keys * keyValueHeads * d, `v${keys}`)
]

const tensorsOf = (sizes: Sizes, [q, k, v]: ReadonlyArray<Float32Array> = hostsOf(sizes)): Three => [
  tf.tensor2d(q!, [sizes.rows.length * sizes.queries, sizes.heads * sizes.d]),
  tf.tensor2d(k!, [sizes.rows.length * sizes.keys, sizes.keyValueHeads * sizes.d]),
  tf.tensor2d(v!, [sizes.rows.length * sizes.keys, sizes.keyValueHeads * sizes.d])
]

const integers = (values: ReadonlyArray<number>): Tensor1D => tf.tensor1d([...values], "int32")

const run =
  (sizes: Sizes) =>
  (q: Tensor2D, k: Tensor2D, v: Tensor2D): Tensor2D => {
    const { rows, queries, keys, d: _, ...shape } = sizes
    const own = integers(rows.flatMap((row) => row.slice(keys - queries)))
    return causalAttention(q, k, v, own, integers(rows.flat()), { ...shape, batch: rows.length })
  }

const gradientsOf = (sizes: Sizes, inputs: Three, dO: Tensor2D): Array<tf.Tensor> =>
  tf.grads((...xs) => run(sizes)(...(xs as unknown as Three)))([...inputs], dO)

const slopesOf = (sizes: Sizes): Tensor2D => {
  const { rows, queries, heads, d } = sizes
  return tf.tensor2d(normals(rows.length * queries * heads * d, "dO"), [rows.length * queries, heads * d])
}

const plain = { heads: 4, keyValueHeads: 2, d: 3, scale: 0.7, window: null, softcap: null }

describeOnEach(() => {
  for (const sizes of [
    { ...plain, queries: 6, keys: 6, rows: [rowOf([6], 6), rowOf([4], 6)] },
    { ...plain, queries: 7, keys: 7, rows: [rowOf([3, 2], 7)], window: 2, softcap: 1.5 },
    { ...plain, queries: 1, keys: 9, rows: [rowOf([9], 9), rowOf([2, 7], 9)], heads: 3, keyValueHeads: 1 },
    { ...plain, queries: 4, keys: 11, rows: [rowOf([11], 11)], window: 5, scale: 1 }
  ] satisfies ReadonlyArray<Sizes>) {
    test(`${JSON.stringify(sizes)}: values and gradients against float64`, async () => {
      const f = exact(sizes)
      const host = hostsOf(sizes)
      const inputs = tensorsOf(sizes)
      expectClose(await run(sizes)(...inputs).data(), f(host.map((x) => Float64Array.from(x))), tolerance.operation)
      const dO = slopesOf(sizes)
      for (const [i, gradient] of gradientsOf(sizes, inputs, dO).entries())
        expectClose(await gradient.data(), numericalGradient(f, host, i, await dO.data()), 1e-5)
    })
  }

  test("heads of a group share keys and values: as if each had its own copy", async () => {
    const sizes: Sizes = { ...plain, queries: 9, keys: 9, rows: [rowOf([9], 9), rowOf([5, 3], 9)] }
    const [q, k, v] = tensorsOf(sizes)
    const repeated = (x: Tensor2D) =>
      tf.reshape(tf.tile(tf.reshape(x, [18, 2, 1, 3]), [1, 1, 2, 1]), [18, 12]) as Tensor2D
    const whole = { ...sizes, keyValueHeads: 4 }
    const expected = await run(whole)(q, repeated(k), repeated(v)).data()
    expectClose(await run(sizes)(q, k, v).data(), expected, tolerance.operation)
    const dO = slopesOf(sizes)
    const [dq, dk, dv] = gradientsOf(whole, [q, repeated(k), repeated(v)], dO)
    const summed = (x: tf.Tensor) => tf.reshape(tf.sum(tf.reshape(x, [18, 2, 2, 3]), 2), [18, 6])
    for (const [i, gradient] of gradientsOf(sizes, [q, k, v], dO).entries())
      expectClose(await gradient.data(), await [dq!, summed(dk!), summed(dv!)][i]!.data(), 5e-6)
  })

  test("texts that share a row are as far apart as texts in rows of their own", async () => {
    const sizes: Sizes = { ...plain, queries: 64, keys: 64, rows: [rowOf([41, 22], 64)] }
    const inputs = tensorsOf(sizes)
    const dO = slopesOf(sizes)
    const packed = [run(sizes)(...inputs), ...gradientsOf(sizes, inputs, dO)]
    for (const [from, length] of [
      [0, 41],
      [41, 22]
    ] as const) {
      const part = (x: tf.Tensor) => tf.slice(x as Tensor2D, [from, 0], [length, -1])
      const own: Sizes = { ...sizes, queries: length, keys: length, rows: [rowOf([length], length)] }
      const alone = inputs.map(part) as unknown as Three
      const expected = [run(own)(...alone), ...gradientsOf(own, alone, part(dO))]
      for (const [i, x] of packed.entries())
        expectClose(await part(x).data(), await expected[i]!.data(), tolerance.operation)
    }
  })

  test("what comes later changes no bit of what came before", async () => {
    const sizes: Sizes = { ...plain, queries: 50, keys: 50, rows: [rowOf([50], 50)] }
    const [q, k, v] = hostsOf(sizes)
    const after = (x: Float32Array) => x.map((value, i) => (i >= 40 * 6 ? value * 3 + 1 : value))
    const rows = async (three: Three) => (await run(sizes)(...three).data()).slice(0, 40 * 12)
    const before = await rows(tensorsOf(sizes))
    expect(await rows(tensorsOf(sizes, [q!, after(k!), after(v!)]))).toEqual(before)
  })

  for (const queries of [1, 2, 3, 4, 30]) {
    test(`the last ${queries} queries alone, with all keys: the last rows of the whole`, async () => {
      const whole: Sizes = { ...plain, queries: 61, keys: 61, rows: [rowOf([61], 61)], window: 33, softcap: 4 }
      const [q, k, v] = tensorsOf(whole)
      const expected = tf.slice(run(whole)(q, k, v), [61 - queries, 0])
      const last = tf.slice(q, [61 - queries, 0])
      expectClose(await run({ ...whole, queries })(last, k, v).data(), await expected.data(), tolerance.operation)
    })
  }

  for (const queries of [2, 8]) {
    test(`of ${queries} queries, one that attends nothing: 0, and no gradient`, async () => {
      const sizes: Sizes = { ...plain, queries, keys: 8, rows: [rowOf([7], 8)] }
      const [q, k, v] = tensorsOf(sizes)
      // numbers that padding may hold
      const huge = (x: Tensor2D) =>
        tf.concat([tf.slice(x, 0, x.shape[0] - 1), tf.fill([1, x.shape[1]], 1e18)]) as Tensor2D
      const inputs: Three = [huge(q), huge(k), huge(v)]
      const tail = async (x: tf.Tensor) => (await x.data()).slice(-x.shape[1]!)
      const O = run(sizes)(...inputs)
      expect(await tail(O)).toEqual(new Float32Array(12))
      for (const gradient of gradientsOf(sizes, inputs, slopesOf(sizes))) {
        expect(await tail(gradient)).toEqual(new Float32Array(gradient.shape[1]!))
        expect((await gradient.data()).every(Number.isFinite)).toBe(true)
      }
      // and the others are as without it
      const without: Sizes = { ...sizes, queries: queries - 1, keys: 7, rows: [rowOf([7], 7)] }
      const cut = (x: Tensor2D) => tf.slice(x, 0, x.shape[0] - 1)
      const expected = await run(without)(cut(q), cut(k), cut(v)).data()
      expectClose((await O.data()).slice(0, -12), expected, tolerance.operation)
    })
  }

  test("large scores lose nothing, and a cap bounds them", async () => {
    const sizes: Sizes = { ...plain, queries: 5, keys: 5, rows: [rowOf([5], 5)], scale: 60 }
    const host = hostsOf(sizes).map((x) => Float64Array.from(x))
    // scores of some hundreds: float32 holds them to 1e-5
    expectClose(await run(sizes)(...tensorsOf(sizes)).data(), exact(sizes)(host), 1e-4)
    const capped = { ...sizes, softcap: 2 }
    expectClose(await run(capped)(...tensorsOf(capped)).data(), exact(capped)(host), 1e-5)
  })

  test("no leak, with and without a tape", async () => {
    const sizes: Sizes = { ...plain, queries: 5, keys: 5, rows: [rowOf([5], 5)] }
    const inputs = tensorsOf(sizes)
    const dO = slopesOf(sizes)
    await expectNoLeak(() => tf.tidy(() => void run(sizes)(...inputs)))
    await expectNoLeak(() => tf.tidy(() => void gradientsOf(sizes, inputs, dO)))
  })
})

describe("these tests see", () => {
  test("a mask that is off by one token", () => {
    const sizes: Sizes = { ...plain, queries: 6, keys: 6, rows: [rowOf([6], 6)], window: 3 }
    const host = hostsOf(sizes).map((x) => Float64Array.from(x))
    const error = relativeError(exact({ ...sizes, window: 4 })(host), exact(sizes)(host))
    expect(error).toBeGreaterThan(100 * tolerance.operation)
  })
})
