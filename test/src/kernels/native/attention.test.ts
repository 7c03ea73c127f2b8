/** Attention and its gradient in machine code, beside wasm's and float64's, for every instruction set that this processor has. */
import { describe, expect, test } from "bun:test"
import type { TensorInfo } from "@tensorflow/tfjs-core"
import { type AttentionShape, EVERY } from "../../../../src/kernels/attention-shape.ts"
import { NATIVE_CUTS } from "../../../../src/kernels/native/product-cuts.ts"
import { attentionGradientOnWasm, attentionOnWasm } from "../../../../src/kernels/wasm/attention.ts"
import type { WasmEngine } from "../../../../src/kernels/wasm/engine.ts"
import { expectClose } from "../../../setup.ts"
import { normals } from "../float64.ts"
import { type Call, runBoth, type Values, type Written } from "./both.ts"

/** float32 scores of up to 80 terms, of size 4 or so, go through an exponential: 4·2⁻²⁴·√80 for each weight, and sums average it. */
const BOUND = 3e-6

interface Case {
  readonly says: string
  readonly batch: number
  readonly queries: number
  readonly keys: number
  readonly heads: number
  readonly keyHeads: number
  readonly d: number
  readonly causal: boolean
  readonly biased: boolean
  readonly window: number | null
  readonly softCap: number | null
  /** of key j of row b; a query has that of its token */
  readonly segment: (b: number, j: number) => number
}
const alone = {
  batch: 1,
  heads: 1,
  keyHeads: 1,
  window: null,
  softCap: null,
  segment: () => 0,
  biased: false,
  causal: true
}
const both = { ...alone, causal: false }
/** Tokens of a row that is shorter by two than the one before it. */
const padded = (tokens: number) => (b: number, j: number) => (j < tokens - 2 * b ? 0 : -1)

const CASES: ReadonlyArray<Case> = [
  { ...alone, says: "one token", queries: 1, keys: 1, d: 4 },
  {
    ...alone,
    says: "few tokens, several rows and heads",
    batch: 2,
    queries: 5,
    keys: 5,
    heads: 3,
    keyHeads: 3,
    d: 16
  },
  { ...alone, says: "an odd length and width", queries: 17, keys: 17, heads: 2, d: 80 },
  { ...alone, says: "groups", queries: 33, keys: 33, heads: 6, keyHeads: 2, d: 32 },
  { ...alone, says: "several parts and blocks", queries: 129, keys: 129, heads: 3, d: 64 },
  { ...alone, says: "a window", queries: 129, keys: 129, heads: 2, d: 16, window: 7 },
  { ...alone, says: "a window that is wider than a tile", queries: 70, keys: 100, heads: 2, d: 32, window: 40 },
  { ...alone, says: "a soft cap", queries: 33, keys: 33, d: 32, softCap: 2 },
  { ...alone, says: "a cache before the queries", batch: 2, queries: 21, keys: 60, heads: 2, keyHeads: 2, d: 64 },
  {
    ...alone,
    says: "several texts and padding",
    batch: 2,
    queries: 65,
    keys: 65,
    heads: 2,
    d: 32,
    segment: (b, j) => (j > 50 + b ? -1 : Math.floor(j / (20 + b)))
  },
  { ...alone, says: "padding before a text", queries: 20, keys: 20, d: 8, segment: (_, j) => (j < 7 ? -1 : 0) },
  { ...alone, says: "a query with a long cache", batch: 2, queries: 1, keys: 77, heads: 9, keyHeads: 1, d: 64 },
  {
    ...alone,
    says: "a query with a window, a cap and an odd width",
    queries: 1,
    keys: 50,
    heads: 4,
    keyHeads: 2,
    d: 20,
    window: 13,
    softCap: 3
  },
  {
    ...alone,
    says: "three queries of two texts",
    queries: 3,
    keys: 40,
    heads: 3,
    d: 32,
    segment: (_, j) => (j < 38 ? 0 : 1)
  },
  { ...alone, says: "a query that is padding", queries: 2, keys: 9, d: 32, segment: (_, j) => (j === 7 ? -1 : 0) },
  // whose weights are kept
  { ...both, says: "both ways, one token", batch: 2, heads: 3, keyHeads: 3, queries: 1, keys: 1, d: 4 },
  {
    ...both,
    says: "both ways, few tokens",
    batch: 2,
    heads: 3,
    keyHeads: 3,
    queries: 5,
    keys: 5,
    d: 3,
    segment: padded(5)
  },
  { ...both, says: "both ways, a wide head", batch: 2, queries: 17, keys: 17, d: 80, segment: padded(17) },
  { ...both, says: "both ways, whole vectors", heads: 5, keyHeads: 5, queries: 32, keys: 32, d: 32 },
  { ...both, says: "both ways, a tile and a row", heads: 3, keyHeads: 1, queries: 33, keys: 33, d: 64 },
  {
    ...both,
    says: "both ways, more than a block",
    batch: 2,
    heads: 2,
    keyHeads: 2,
    queries: 129,
    keys: 129,
    d: 32,
    segment: padded(129)
  },
  { ...both, says: "both ways, a bias", heads: 2, keyHeads: 2, queries: 30, keys: 41, d: 16, biased: true },
  // whose weights are made again
  {
    ...both,
    says: "a window of both sides",
    heads: 2,
    keyHeads: 2,
    queries: 129,
    keys: 129,
    d: 16,
    window: 7,
    segment: padded(120)
  },
  {
    ...both,
    says: "a wide window of both sides",
    heads: 4,
    keyHeads: 2,
    queries: 100,
    keys: 100,
    d: 32,
    window: 40,
    biased: true
  },
  {
    ...both,
    says: "both ways, a soft cap and a bias",
    heads: 2,
    keyHeads: 1,
    queries: 37,
    keys: 50,
    d: 20,
    softCap: 2,
    biased: true
  },
  { ...alone, says: "causal with a bias", heads: 4, keyHeads: 2, queries: 101, keys: 101, d: 16, biased: true },
  {
    ...both,
    says: "few queries of another sequence",
    batch: 2,
    heads: 7,
    keyHeads: 7,
    queries: 3,
    keys: 50,
    d: 20,
    biased: true
  }
]

const shapeOf = ({ batch, heads, keyHeads, d, causal, window, softCap }: Case): AttentionShape => {
  const back = window === null ? EVERY : window - 1
  return { batch, heads, keyHeads, scale: 1 / Math.sqrt(d), softCap, back, ahead: causal ? 0 : back }
}

const inputsOf = ({ batch, queries, keys, heads, keyHeads, d, segment, biased }: Case) => {
  const [q, dO] = ["q", "dO"].map((name) => normals(batch * queries * heads * d, `${name}${queries}`)) as [
    Float32Array,
    Float32Array
  ]
  const [k, v] = ["k", "v"].map((name) => normals(batch * keys * keyHeads * d, `${name}${keys}`)) as [
    Float32Array,
    Float32Array
  ]
  const row = (count: number) =>
    Int32Array.from({ length: batch * count }, (_, i) => segment(Math.floor(i / count), (i % count) + keys - count))
  // of queries of another sequence: tokens
  const own = queries > keys ? new Int32Array(batch * queries) : row(queries)
  const bias = biased ? { bias: normals(heads * queries * keys, `bias${keys}`) } : {}
  return { q, k, v, dO, ...bias, querySegments: own, keySegments: row(keys) }
}
interface Inputs extends Readonly<Record<"q" | "k" | "v" | "dO", Float32Array>> {
  readonly bias?: Float32Array
  readonly querySegments: Int32Array
  readonly keySegments: Int32Array
}
type Answers = Readonly<Record<"o" | "dq" | "dk" | "dv", Float64Array>>

const exact = (one: Case, { q, k, v, dO, bias, querySegments, keySegments }: Inputs): Answers => {
  const { batch, queries, keys, heads, keyHeads, d, softCap } = one
  const { scale, back, ahead } = shapeOf(one)
  const [o, dq, dk, dv] = [q, q, k, k].map(({ length }) => new Float64Array(length)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array
  ]
  const dot = (x: ArrayLike<number>, at: number, y: ArrayLike<number>, from: number): number => {
    let sum = 0
    for (let c = 0; c < d; c++) sum += x[at + c]! * y[from + c]!
    return sum
  }
  const add = (to: Float64Array, at: number, factor: number, x: ArrayLike<number>, from: number): void => {
    for (let c = 0; c < d; c++) to[at + c]! += factor * x[from + c]!
  }
  for (let b = 0; b < batch; b++)
    for (let h = 0; h < heads; h++)
      for (let i = 0; i < queries; i++) {
        const at = ((b * queries + i) * heads + h) * d
        const keyAt = (j: number) => ((b * keys + j) * keyHeads + Math.floor((h * keyHeads) / heads)) * d
        const t = i + keys - queries
        const own = querySegments[b * queries + i]!
        const seen = Array.from({ length: keys }, (_, j) => j).filter(
          (j) => j - t <= ahead && t - j <= back && own >= 0 && keySegments[b * keys + j] === own
        )
        const c = seen.map((j) => {
          const s = scale * dot(q, at, k, keyAt(j)) + (bias?.[(h * queries + i) * keys + j] ?? 0)
          return softCap === null ? s : softCap * Math.tanh(s / softCap)
        })
        const most = Math.max(...c)
        const sum = c.reduce((total, x) => total + Math.exp(x - most), 0)
        const P = c.map((x) => Math.exp(x - most) / sum)
        const dP = seen.map((j) => dot(dO, at, v, keyAt(j)))
        const mean = dP.reduce((total, x, n) => total + x * P[n]!, 0)
        for (const [n, j] of seen.entries()) {
          add(o, at, P[n]!, v, keyAt(j))
          add(dv, keyAt(j), P[n]!, dO, at)
          const slope = softCap === null ? 1 : 1 - (c[n]! / softCap) ** 2
          const ds = scale * P[n]! * (dP[n]! - mean) * slope
          add(dq, at, ds, k, keyAt(j))
          add(dk, keyAt(j), ds, q, at)
        }
      }
  return { o, dq, dk, dv }
}

/** What the host asks an engine for, cut and with the scratch that it says. Buffers are known by what `values` holds for them. */
const asked = (kernel: string, values: ReadonlyMap<TensorInfo, Values>, ask: (engine: WasmEngine) => unknown): Call => {
  const calls: Array<Call> = []
  const engine: WasmEngine = {
    cuts: NATIVE_CUTS,
    threads: 1,
    address: () => 0,
    output: (shape) => ({ dataId: {}, shape: [...shape], dtype: "float32" }),
    dispose: () => {},
    copy: () => {},
    run: (own, buffers, words, work = {}) => {
      const { chunks = 1, scratch = 0 } = work
      if (own.name !== kernel) return chunks
      const given = Object.entries<TensorInfo>(buffers as Record<string, TensorInfo>).map(
        ([name, tensor]) => [name, values.get(tensor) ?? 4 * tensor.shape.reduce((a, b) => a * b, 1)] as const
      )
      calls.push({ kernel: own, given: Object.fromEntries(given), words, chunks, scratch })
      return chunks
    }
  }
  ask(engine)
  expect(calls.length).toBe(1)
  return calls[0]!
}

/** [parts, size] → their sum */
const summed = (parts: Float32Array, size: number): Float32Array =>
  Float32Array.from({ length: size }, (_, i) => {
    let sum = 0
    for (let at = i; at < parts.length; at += size) sum += parts[at]!
    return sum
  })

/** What wasm answers, and each native library. The backward pass of all begins with wasm's O and statistics. */
const answers = (one: Case, inputs: Inputs) => {
  const { batch, queries, keys, heads, keyHeads, d } = one
  const of = (values: Values, shape: ReadonlyArray<number>) =>
    [{ dataId: {}, shape: [...shape], dtype: "float32" } as TensorInfo, values] as const
  const [ofQueries, ofKeys] = [
    [batch * queries, heads * d],
    [batch * keys, keyHeads * d]
  ] as const
  const q = of(inputs.q, ofQueries)
  const [k, v] = [of(inputs.k, ofKeys), of(inputs.v, ofKeys)]
  const querySegments = of(inputs.querySegments, [batch * queries])
  const keySegments = of(inputs.keySegments, [batch * keys])
  const all: Array<readonly [TensorInfo, Values]> = [q, k, v, querySegments, keySegments]
  const bias = inputs.bias === undefined ? undefined : of(inputs.bias, [heads, queries, keys])
  if (bias !== undefined) all.push(bias)
  const biases = bias === undefined ? {} : { bias: bias[0] }
  const tensors = { q: q[0], k: k[0], v: v[0], querySegments: querySegments[0], keySegments: keySegments[0], ...biases }
  const forward = runBoth(asked("attention", new Map(all), (engine) => attentionOnWasm(engine, tensors, shapeOf(one))))
  const O = of(forward.wasm["o"]!, ofQueries)
  // P, or its rows' statistics
  const kept = of(forward.wasm["weights"] ?? forward.wasm["statistics"]!, [batch * heads, queries, 2])
  const dO = of(inputs.dO, ofQueries)
  const backward = runBoth(
    asked("attentionGradient", new Map([...all, O, kept, dO]), (engine) =>
      attentionGradientOnWasm(engine, { ...tensors, dO: dO[0], O: O[0], kept: kept[0] }, shapeOf(one))
    )
  )
  const together = (first: Written, second: Written) => ({
    o: first["o"]!,
    kept: (first["weights"] ?? first["statistics"])!,
    dq: second["dq"]!,
    dk: summed(second["dk"]!, inputs.k.length),
    dv: summed(second["dv"]!, inputs.k.length)
  })
  return {
    wasm: together(forward.wasm, backward.wasm),
    native: [...forward.native].map(([name, own]) => together(own, backward.native.get(name)!))
  }
}

describe("attention", () => {
  for (const one of CASES)
    test(one.says, () => {
      const inputs = inputsOf(one)
      const expected = exact(one, inputs)
      const { wasm, native } = answers(one, inputs)
      expect(native.length).toBeGreaterThan(0)
      for (const actual of native) {
        for (const name of ["o", "dv", "dq", "dk"] as const) {
          // one key alone: P = 1, and dq = dk = 0 up to rounding
          if (one.keys === 1 && (name === "dq" || name === "dk")) {
            expect(Math.max(...Array.from(actual[name], Math.abs))).toBeLessThan(1e-6)
            continue
          }
          expectClose(actual[name], expected[name], BOUND)
          expectClose(actual[name], wasm[name], BOUND)
        }
        expectClose(actual.kept, wasm.kept, BOUND)
      }
    })

  test("not a number in a query reaches its row and no other", () => {
    const one: Case = { ...both, says: "", heads: 2, keyHeads: 2, queries: 20, keys: 20, d: 32 }
    const inputs = inputsOf(one)
    const whole = answers(one, inputs)
    inputs.q[7 * 64 + 3] = Number.NaN
    const row = (x: ArrayLike<number>, i: number) => Array.from(x).slice(i * 32, i * 32 + 32)
    const found = answers(one, inputs)
    for (const [n, { o }] of [found.wasm, ...found.native].entries())
      for (let i = 0; i < 40; i++) {
        if (i === 14) expect(row(o, i).every(Number.isNaN)).toBe(true)
        else expect(row(o, i)).toEqual(row([whole.wasm, ...whole.native][n]!.o, i))
      }
  })
})
