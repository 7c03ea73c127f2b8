/** Attention and its gradient in machine code, beside wasm's and float64's, for every instruction set that this processor has. */
import { describe, expect, test } from "bun:test"
import { declaredKernels } from "../../../../src/kernels/index.ts"
import { expectClose } from "../../../setup.ts"
import { normals } from "../float64.ts"
import { runBoth } from "./both.ts"

/** float32 scores of up to 80 terms, of size 4 or so, go through an exponential: 4·2⁻²⁴·√80 for each weight, and sums average it. */
const BOUND = 3e-6

const declared = (name: string) => declaredKernels().find((kernel) => kernel.name === name)!

interface Sizes {
  readonly batch: number
  readonly length: number
  readonly heads: number
  readonly d: number
}
const OUTPUTS = ["o", "p", "dq", "dk", "dv"] as const
type Inputs = ReturnType<typeof inputsOf>
type Answers = Readonly<Record<(typeof OUTPUTS)[number], ArrayLike<number>>>

/** Inputs, and the tokens of each sequence: all of the first, fewer of the others. */
const inputsOf = ({ batch, length, heads, d }: Sizes) => {
  const [q, k, v, dO] = ["q", "k", "v", "dO"].map((name) => normals(batch * length * heads * d, `${name}${length}`))
  const tokens = Array.from({ length: batch }, (_, b) => Math.max(1, length - 2 * b))
  const mask = Float32Array.from({ length: batch * length }, (_, i) =>
    i % length < tokens[Math.floor(i / length)]! ? 0 : -1e9
  )
  return { q: q!, k: k!, v: v!, dO: dO!, mask }
}

const exact = ({ batch, length, heads, d }: Sizes, { q, k, v, dO, mask }: Inputs): Answers => {
  const scale = 1 / Math.sqrt(d)
  const [o, dq, dk, dv] = [q, q, q, q].map(({ length }) => new Float64Array(length)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array
  ]
  const p = new Float64Array(batch * heads * length * length)
  const dot = (x: ArrayLike<number>, at: number, y: ArrayLike<number>, from: number): number => {
    let sum = 0
    for (let c = 0; c < d; c++) sum += x[at + c]! * y[from + c]!
    return sum
  }
  const add = (to: Float64Array, at: number, factor: number, x: ArrayLike<number>, from: number): void => {
    for (let c = 0; c < d; c++) to[at + c]! += factor * x[from + c]!
  }
  for (let b = 0; b < batch; b++)
    for (let h = 0; h < heads; h++) {
      const at = (t: number) => ((b * length + t) * heads + h) * d
      const keys = Array.from({ length }, (_, j) => j)
      for (let i = 0; i < length; i++) {
        const row = ((b * heads + h) * length + i) * length
        const scores = keys.map((j) => scale * dot(q, at(i), k, at(j)) + mask[b * length + j]!)
        const most = Math.max(...scores)
        const e = scores.map((s) => Math.exp(s - most))
        const sum = e.reduce((a, c) => a + c, 0)
        for (const j of keys) {
          p[row + j] = e[j]! / sum
          add(o, at(i), p[row + j]!, v, at(j))
          add(dv, at(j), p[row + j]!, dO, at(i))
        }
        const dP = keys.map((j) => dot(dO, at(i), v, at(j)))
        const mean = keys.reduce((total, j) => total + dP[j]! * p[row + j]!, 0)
        for (const j of keys) {
          const dS = scale * p[row + j]! * (dP[j]! - mean)
          add(dq, at(i), dS, k, at(j))
          add(dk, at(j), dS, q, at(i))
        }
      }
    }
  return { o, p, dq, dk, dv }
}

/** What wasm answers, and each native library; P, of which the gradients are made, is wasm's. */
const answers = (sizes: Sizes, inputs: Inputs): ReadonlyMap<string, Answers> => {
  const { batch, length, heads, d } = sizes
  const { q, k, v, dO, mask } = inputs
  const matrices = batch * heads
  const call = {
    words: { length, heads, d, scale: 1 / Math.sqrt(d), matrices, perChunk: 4 },
    chunks: Math.ceil(matrices / 4)
  }
  const weights = 4 * matrices * length * length
  const given = { q, k, v, mask, p: weights, o: q.byteLength }
  const forward = runBoth({ kernel: declared("attention"), given, ...call })
  const written = { dq: q.byteLength, dk: q.byteLength, dv: q.byteLength }
  const backward = runBoth({
    kernel: declared("attentionGradient"),
    given: { q, k, v, p: forward.wasm["p"]!, dO, ...written },
    ...call
  })
  const each = [...forward.native.keys()].map(
    (name) => [name, forward.native.get(name)!, backward.native.get(name)!] as const
  )
  return new Map(
    [["wasm", forward.wasm, backward.wasm] as const, ...each].map(([name, { o, p }, { dq, dk, dv }]) => [
      name,
      { o: o!, p: p!, dq: dq!, dk: dk!, dv: dv! }
    ])
  )
}

/** Odd lengths and heads: no tile, no vector and no chunk is full; and the shapes that are used most. */
const SIZES: ReadonlyArray<Sizes> = [
  { batch: 2, length: 1, heads: 3, d: 4 },
  { batch: 2, length: 5, heads: 3, d: 3 },
  { batch: 2, length: 17, heads: 1, d: 80 },
  { batch: 1, length: 32, heads: 5, d: 32 },
  { batch: 1, length: 33, heads: 3, d: 64 },
  { batch: 3, length: 33, heads: 2, d: 16 },
  { batch: 1, length: 129, heads: 2, d: 32 }
]

/** Of each native library, beside wasm's. */
const forEachLibrary = (found: ReadonlyMap<string, Answers>, check: (actual: Answers, wasm: Answers) => void): void => {
  expect(found.size).toBeGreaterThan(1)
  for (const [name, actual] of found) if (name !== "wasm") check(actual, found.get("wasm")!)
}

describe("attention", () => {
  for (const sizes of SIZES)
    test(JSON.stringify(sizes), () => {
      const inputs = inputsOf(sizes)
      const expected = exact(sizes, inputs)
      forEachLibrary(answers(sizes, inputs), (actual, wasm) => {
        for (const name of OUTPUTS) {
          // one key alone: P = 1, and dQ = dK = 0 up to rounding
          if (sizes.length === 1 && (name === "dq" || name === "dk")) {
            expect(Math.max(...Array.from(actual[name], Math.abs))).toBeLessThan(1e-6)
            continue
          }
          expectClose(actual[name], expected[name], BOUND)
          expectClose(actual[name], wasm[name], BOUND)
        }
      })
    })

  test("not a number in a query reaches its row and no other", () => {
    const sizes = { batch: 1, length: 20, heads: 2, d: 32 }
    const inputs = inputsOf(sizes)
    const whole = answers(sizes, inputs)
    inputs.q[7 * 64 + 3] = Number.NaN
    const row = (x: ArrayLike<number>, i: number) => Array.from(x).slice(i * 32, i * 32 + 32)
    for (const [name, { o }] of answers(sizes, inputs))
      for (let i = 0; i < 40; i++) {
        if (i === 14) expect(row(o, i).every(Number.isNaN)).toBe(true)
        else expect(row(o, i)).toEqual(row(whole.get(name)!.o, i))
      }
  })

  test("a query that sees padding alone has weights, and gradients", () => {
    const sizes = { batch: 1, length: 6, heads: 1, d: 8 }
    const inputs = inputsOf(sizes)
    inputs.mask.fill(-1e9)
    forEachLibrary(answers(sizes, inputs), (actual, wasm) => {
      for (const name of OUTPUTS) expectClose(actual[name], wasm[name], BOUND)
    })
  })
})
