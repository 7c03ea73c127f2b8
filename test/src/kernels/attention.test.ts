/** Attention against float64 with every combination of its options, and what each of them means in terms of plainer calls. */
import { describe, expect, test } from "bun:test"
import type { Tensor, Tensor1D, Tensor2D, Tensor3D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { attention, segmentsOfPadding } from "../../../src/kernels/attention.ts"
import { valueAndGradients } from "../../../src/tensors/gradients.ts"
import { describeOnEach } from "../../backends.ts"
import { expectClose, expectNoLeak, relativeError, tolerance } from "../../setup.ts"
import { normals, numericalGradient } from "./float64.ts"

interface Sizes {
  readonly queries: number
  readonly keys: number
  readonly heads: number
  readonly keyHeads: number
  readonly d: number
  readonly scale: number
  readonly causal: boolean
  readonly window: number | null
  readonly softCap: number | null
  readonly biased: boolean
  /** a row's segments, of all its keys; its queries have those of the last of them */
  readonly rows: ReadonlyArray<ReadonlyArray<number>>
}

/** A segment for each token of texts of these lengths, −1 for padding up to `keys`. */
const rowOf = (texts: ReadonlyArray<number>, keys: number): ReadonlyArray<number> => {
  const own = texts.flatMap((length, i) => Array.from({ length }, () => i))
  return Array.from({ length: keys }, (_, j) => own[j] ?? -1)
}

const attends = (
  { causal, window, queries, keys }: Sizes,
  row: ReadonlyArray<number>,
  i: number,
  j: number
): boolean => {
  const t = i + keys - queries
  const near = window === null || Math.abs(t - j) < window
  // a query before the first key is of a sequence of its own, which attends all
  return near && (!causal || j <= t) && row[j]! >= 0 && row[j] === (row[t] ?? 0)
}

const exact = (sizes: Sizes) => {
  const { heads, keyHeads, scale, softCap, queries, keys, d, rows } = sizes
  // of a query in a row, the keys that it attends: the same at each call, and numerical gradients call it for every number twice
  const attended = rows.map((row) =>
    Array.from({ length: queries }, (_, i) => row.flatMap((_, j) => (attends(sizes, row, i, j) ? [j] : [])))
  )
  const weights = new Float64Array(keys)
  return ([q, k, v, bias]: ReadonlyArray<Float64Array>): Float64Array => {
    const out = new Float64Array(q!.length)
    for (let b = 0; b < rows.length; b++)
      for (let h = 0; h < heads; h++)
        for (let i = 0; i < queries; i++) {
          const own = Math.floor(h / (heads / keyHeads))
          const query = ((b * queries + i) * heads + h) * d
          let most = Number.NEGATIVE_INFINITY
          for (const j of attended[b]![i]!) {
            const key = ((b * keys + j) * keyHeads + own) * d
            let s = bias === undefined ? 0 : bias[(h * queries + i) * keys + j]!
            for (let c = 0; c < d; c++) s += scale * q![query + c]! * k![key + c]!
            weights[j] = softCap === null ? s : softCap * Math.tanh(s / softCap)
            most = Math.max(most, weights[j]!)
          }
          let total = 0
          for (const j of attended[b]![i]!) total += weights[j] = Math.exp(weights[j]! - most)
          for (const j of attended[b]![i]!) {
            const value = ((b * keys + j) * keyHeads + own) * d
            for (let c = 0; c < d; c++) out[query + c]! += (weights[j]! / total) * v![value + c]!
          }
        }
    return out
  }
}

interface Golden extends Readonly<Record<"batch" | "length" | "heads" | "d", number>> {
  readonly tokens: ReadonlyArray<number>
  readonly cases: ReadonlyArray<
    Readonly<Record<"q" | "k" | "v" | "dO" | "O" | "dq" | "dk" | "dv", Array<number>>> & {
      readonly name: string
      readonly scale: number
      readonly window: number | null
      readonly bias?: Array<number>
      readonly dbias?: Array<number>
    }
  >
}
/** Made by `golden/make/attention.py`. */
const golden: Golden = await Bun.file(new URL("../../golden/attention.json", import.meta.url)).json()

type Inputs = readonly [q: Tensor2D, k: Tensor2D, v: Tensor2D, bias?: Tensor3D]

const hostsOf = ({ rows, queries, keys, heads, keyHeads, d, biased }: Sizes) => [
  normals(rows.length * queries * heads * d, `q${queries}`),
  normals(rows.length * keys * keyHeads * d, `k${keys}`),
  normals(rows.length * keys * keyHeads * d, `v${keys}`),
  ...(biased ? [normals(heads * queries * keys, `bias${keys}`)] : [])
]

const tensorsOf = (sizes: Sizes, [q, k, v, bias]: ReadonlyArray<Float32Array> = hostsOf(sizes)): Inputs => {
  const { rows, queries, keys, heads, keyHeads, d } = sizes
  const ofKeys = [rows.length * keys, keyHeads * d] as [number, number]
  const three = [
    tf.tensor2d(q!, [rows.length * queries, heads * d]),
    tf.tensor2d(k!, ofKeys),
    tf.tensor2d(v!, ofKeys)
  ] as const
  return bias === undefined ? three : [...three, tf.tensor3d(bias, [heads, queries, keys])]
}

const integers = (values: ReadonlyArray<number>): Tensor1D => tf.tensor1d([...values], "int32")

const run =
  (sizes: Sizes) =>
  (q: Tensor2D, k: Tensor2D, v: Tensor2D, bias?: Tensor3D): Tensor2D => {
    const { rows, queries, keys, heads, keyHeads, scale, causal, window, softCap } = sizes
    // one text that fills every row needs no segments
    const whole = rows.flat().every((segment) => segment === 0)
    const own = integers(rows.flatMap((row) => row.slice(keys - queries)))
    const segments = whole ? null : { queries: own, keys: integers(rows.flat()) }
    const shape = { batch: rows.length, heads, keyHeads, scale, softCap, mask: { causal, window, segments } }
    return attention({ q, k, v, bias: bias ?? null, ...shape })
  }

const gradientsOf = (sizes: Sizes, inputs: Inputs, dO: Tensor2D): Array<Tensor> =>
  tf.grads((...xs) => run(sizes)(...(xs as unknown as Inputs)))([...(inputs as ReadonlyArray<Tensor>)], dO)

const slopesOf = ({ rows, queries, heads, d }: Sizes): Tensor2D =>
  tf.tensor2d(normals(rows.length * queries * heads * d, "dO"), [rows.length * queries, heads * d])

const plain = { heads: 4, keyHeads: 2, d: 3, scale: 0.7, causal: true, window: null, softCap: null, biased: false }

/** Every combination, over few queries and keys. */
const combinations: ReadonlyArray<Sizes> = [true, false].flatMap((causal) =>
  [2, 4].flatMap((keyHeads) =>
    [null, 3].flatMap((window) =>
      [null, 1.5].flatMap((softCap) =>
        [false, true].flatMap((biased) =>
          [
            [rowOf([7], 7)],
            // padding behind a text, texts that share a row, padding before one
            [rowOf([5], 7), rowOf([3, 2], 7), [-1, -1, -1, 0, 0, 0, 0]]
          ].map((rows) => ({ ...plain, queries: 6, keys: 7, causal, keyHeads, window, softCap, biased, rows }))
        )
      )
    )
  )
)

const nameOf = ({ queries, keys, heads, keyHeads, d, causal, window, softCap, biased, rows }: Sizes): string =>
  [
    `${queries} queries of ${keys} keys, ${heads} heads of ${d}, ${keyHeads} of keys`,
    causal ? "causal" : "both ways",
    ...(window === null ? [] : [`within ${window}`]),
    ...(softCap === null ? [] : [`cap ${softCap}`]),
    ...(biased ? ["bias"] : []),
    `rows ${JSON.stringify(rows)}`
  ].join(", ")

describeOnEach(() => {
  for (const sizes of [
    ...combinations,
    { ...plain, queries: 1, keys: 9, rows: [rowOf([9], 9), rowOf([2, 7], 9)], heads: 3, keyHeads: 1 },
    { ...plain, queries: 4, keys: 11, rows: [rowOf([11], 11)], window: 5, scale: 1 },
    { ...plain, queries: 1, keys: 1, rows: [[0]], heads: 1, keyHeads: 1, d: 8, causal: false },
    // more queries than keys: of another sequence
    { ...plain, queries: 9, keys: 4, rows: [[0, 0, 0, 0]], causal: false, biased: true }
  ] satisfies ReadonlyArray<Sizes>) {
    test(`${nameOf(sizes)}: values and gradients against float64`, async () => {
      const f = exact(sizes)
      const host = hostsOf(sizes)
      const inputs = tensorsOf(sizes)
      expectClose(await run(sizes)(...inputs).data(), f(host.map((x) => Float64Array.from(x))), tolerance.operation)
      const dO = slopesOf(sizes)
      for (const [i, gradient] of gradientsOf(sizes, inputs, dO).entries()) {
        // one key alone: P = 1, and nothing but dv is more than rounding
        if (sizes.keys === 1 && i !== 2) expect(Math.max(...(await gradient.data()).map(Math.abs))).toBeLessThan(1e-6)
        else expectClose(await gradient.data(), numericalGradient(f, host, i, await dO.data()), 1e-5)
      }
    })
  }

  for (const { name, scale, window, q, k, v, dO, bias, ...expected } of golden.cases)
    test(`PyTorch's values and gradients: ${name}`, async () => {
      const { batch, length, heads, d, tokens } = golden
      const matrix = (x: ReadonlyArray<number>) => tf.tensor2d([...x], [batch * length, heads * d])
      const inputs: Array<Tensor> = [matrix(q), matrix(k), matrix(v)]
      if (bias !== undefined) inputs.push(tf.tensor3d(bias, [heads, length, length]))
      const mask = tokens.flatMap((count) => Array.from({ length }, (_, i) => (i < count ? 1 : 0)))
      const segments = segmentsOfPadding(tf.tensor2d(mask, [batch, length]))
      const shape = { batch, heads, scale, mask: { window, segments } }
      const f = (...[q, k, v, own]: ReadonlyArray<Tensor>) =>
        attention({ q: q as Tensor2D, k: k as Tensor2D, v: v as Tensor2D, bias: (own as Tensor3D) ?? null, ...shape })
      const { value, grads } = tf.valueAndGrads(f)(inputs, matrix(dO))
      const atTokens = (x: ArrayLike<number>) => Array.from(x, (own, i) => own * mask[Math.floor(i / (heads * d))]!)
      expectClose(atTokens(await value.data()), expected.O, tolerance.operation)
      const names = ["dq", "dk", "dv", ...(bias === undefined ? [] : ["dbias" as const])] as const
      for (const [i, gradient] of grads.entries())
        expectClose(await gradient.data(), expected[names[i]!]!, tolerance.operation)
    })

  test("heads of a group share keys and values: as if each had its own copy", async () => {
    const sizes: Sizes = { ...plain, queries: 9, keys: 9, rows: [rowOf([9], 9), rowOf([5, 3], 9)] }
    const [q, k, v] = tensorsOf(sizes)
    const repeated = (x: Tensor2D) =>
      tf.reshape(tf.tile(tf.reshape(x, [18, 2, 1, 3]), [1, 1, 2, 1]), [18, 12]) as Tensor2D
    const whole = { ...sizes, keyHeads: 4 }
    const expected = await run(whole)(q, repeated(k), repeated(v)).data()
    expectClose(await run(sizes)(q, k, v).data(), expected, tolerance.operation)
    const dO = slopesOf(sizes)
    const [dq, dk, dv] = gradientsOf(whole, [q, repeated(k), repeated(v)], dO)
    const summed = (x: Tensor) => tf.reshape(tf.sum(tf.reshape(x, [18, 2, 2, 3]), 2), [18, 6])
    for (const [i, gradient] of gradientsOf(sizes, [q, k, v], dO).entries())
      expectClose(await gradient.data(), await [dq!, summed(dk!), summed(dv!)][i]!.data(), 5e-6)
  })

  for (const causal of [true, false])
    for (const window of [null, 20])
      test(`texts that share a row are as far apart as texts in rows of their own: ${causal}, ${window}`, async () => {
        const sizes: Sizes = { ...plain, causal, window, queries: 64, keys: 64, rows: [rowOf([41, 22], 64)] }
        const inputs = tensorsOf(sizes)
        const dO = slopesOf(sizes)
        const packed = [run(sizes)(...inputs), ...gradientsOf(sizes, inputs, dO)]
        for (const [from, length] of [
          [0, 41],
          [41, 22]
        ] as const) {
          const part = (x: Tensor) => tf.slice(x as Tensor2D, [from, 0], [length, -1])
          const own: Sizes = { ...sizes, queries: length, keys: length, rows: [rowOf([length], length)] }
          const alone = inputs.map((x) => part(x!)) as unknown as Inputs
          const expected = [run(own)(...alone), ...gradientsOf(own, alone, part(dO))]
          for (const [i, x] of packed.entries())
            expectClose(await part(x).data(), await expected[i]!.data(), tolerance.operation)
        }
      })

  test("what comes later changes no bit of what came before", async () => {
    const sizes: Sizes = { ...plain, queries: 50, keys: 50, rows: [rowOf([50], 50)] }
    const [q, k, v] = hostsOf(sizes)
    const after = (x: Float32Array) => x.map((value, i) => (i >= 40 * 6 ? value * 3 + 1 : value))
    const rows = async (three: Inputs) => (await run(sizes)(...three).data()).slice(0, 40 * 12)
    const before = await rows(tensorsOf(sizes))
    expect(await rows(tensorsOf(sizes, [q!, after(k!), after(v!)]))).toEqual(before)
  })

  for (const queries of [1, 2, 3, 4, 30]) {
    test(`the last ${queries} queries alone, with all keys: the last rows of the whole`, async () => {
      const whole: Sizes = { ...plain, queries: 61, keys: 61, rows: [rowOf([61], 61)], window: 33, softCap: 4 }
      const [q, k, v] = tensorsOf(whole)
      const expected = tf.slice(run(whole)(q, k, v), [61 - queries, 0])
      const last = tf.slice(q, [61 - queries, 0])
      expectClose(await run({ ...whole, queries })(last, k, v).data(), await expected.data(), tolerance.operation)
    })
  }

  for (const causal of [true, false])
    for (const queries of [2, 8]) {
      test(`of ${queries} queries, one that attends nothing: 0, and no gradient; ${causal}`, async () => {
        const sizes: Sizes = { ...plain, causal, queries, keys: 8, rows: [rowOf([7], 8)] }
        const [q, k, v] = tensorsOf(sizes)
        // numbers that padding may hold
        const huge = (x: Tensor2D) =>
          tf.concat([tf.slice(x, 0, x.shape[0] - 1), tf.fill([1, x.shape[1]], 1e18)]) as Tensor2D
        const inputs: Inputs = [huge(q), huge(k), huge(v)]
        const tail = async (x: Tensor) => (await x.data()).slice(-x.shape[1]!)
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

  test("in a padded batch every query attends the tokens, and a sequence of padding alone gives 0", async () => {
    const [q, k, v] = ["q", "k", "v"].map((name) => tf.tensor2d(normals(72, name), [12, 6])) as [
      Tensor2D,
      Tensor2D,
      Tensor2D
    ]
    const tokens = tf.tensor2d([1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1], [3, 4])
    const O = attention({ q, k, v, batch: 3, heads: 2, mask: { segments: segmentsOfPadding(tokens) } })
    const first = (x: Tensor2D, rows: number) => tf.slice(x, 0, rows)
    const alone = attention({ q: first(q, 4), k: first(k, 3), v: first(v, 3), batch: 1, heads: 2 })
    expectClose(await first(O, 4).data(), await alone.data(), tolerance.operation)
    expect((await O.data()).slice(24, 48)).toEqual(new Float32Array(24))
  })

  test("large scores lose nothing, and a cap bounds them", async () => {
    const sizes: Sizes = { ...plain, queries: 5, keys: 5, rows: [rowOf([5], 5)], scale: 60 }
    const host = hostsOf(sizes).map((x) => Float64Array.from(x))
    // scores of some hundreds: float32 holds them to 1e-5
    expectClose(await run(sizes)(...tensorsOf(sizes)).data(), exact(sizes)(host), 1e-4)
    const capped = { ...sizes, softCap: 2 }
    expectClose(await run(capped)(...tensorsOf(capped)).data(), exact(capped)(host), 1e-5)
  })

  test("no leak, with and without a tape, also where only some gradients are wanted", async () => {
    for (const biased of [false, true])
      for (const rows of [[rowOf([5], 5)], [rowOf([4], 5)]]) {
        const sizes: Sizes = { ...plain, queries: 5, keys: 5, rows, biased }
        const inputs = tensorsOf(sizes)
        const dO = slopesOf(sizes)
        const [q, k, v, bias] = inputs
        await expectNoLeak(() => tf.tidy(() => void run(sizes)(...inputs)))
        await expectNoLeak(() => tf.tidy(() => void gradientsOf(sizes, inputs, dO)))
        await expectNoLeak(() => {
          const { value, gradients } = valueAndGradients(() => tf.tidy(() => tf.sum(run(sizes)(q, k, v, bias))), [q])
          tf.dispose([value, ...gradients])
        })
      }
  })
})

describe("these tests see", () => {
  const sizes: Sizes = { ...plain, queries: 6, keys: 6, rows: [rowOf([6], 6)], window: 3 }
  const host = hostsOf(sizes).map((x) => Float64Array.from(x))
  const errorOf = (other: Partial<Sizes>) => relativeError(exact({ ...sizes, ...other })(host), exact(sizes)(host))

  test("a window that is off by one token", () =>
    expect(errorOf({ window: 4 })).toBeGreaterThan(100 * tolerance.operation))
  test("keys behind a query", () => expect(errorOf({ causal: false })).toBeGreaterThan(100 * tolerance.operation))
})
