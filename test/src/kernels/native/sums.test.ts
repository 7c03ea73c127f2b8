/** Sums in float64 in machine code, beside wasm's and sums written out. */
import { expect, test } from "bun:test"
import { declaredKernels } from "../../../../src/kernels/index.ts"
import { chunksOf, cutBlocks } from "../../../../src/kernels/wasm/cuts.ts"
import { normals } from "../float64.ts"
import { type Call, distance, libraries, runBoth, type Values } from "./both.ts"

/** Of the largest sum: float64 sums in another order, and one rounding to float32. */
const ROUNDED = 2 ** -23
/** Likewise, of sums that stay float64: some thousand roundings of terms that cancel. */
const WIDE = 1e-12

const kernelOf = (name: string) => declaredKernels().find((own) => own.name === name)!

/** Compares what a call writes to `name` with wasm's and with sums written out. */
const expectSums = (call: Call, name: string, exact: ArrayLike<number>, wide: boolean): void => {
  const { wasm, native } = runBoth(call)
  expect([...native.keys()]).toEqual(libraries.map(({ instructions }) => instructions))
  const numbersOf = (values: Float32Array): Float32Array | Float64Array =>
    wide ? new Float64Array(values.buffer) : values
  for (const [instructions, written] of native) {
    for (const expected of [numbersOf(wasm[name]!), exact]) {
      const error = distance(expected, numbersOf(written[name]!))
      const within = error <= (wide ? WIDE : ROUNDED)
      expect({ instructions, error: within ? 0 : error }).toEqual({ instructions, error: 0 })
    }
  }
}

const sum = (values: ArrayLike<number>): number => Float64Array.from(values).reduce((all, x) => all + x, 0)
const squares = (values: Float32Array): number => sum(Float64Array.from(values, (x) => x * x))

test("sums of rows, and of blocks of long ones", () => {
  for (const [outer, reduced] of [
    [1, 1],
    [5, 31],
    [70, 1000]
  ] as const) {
    const x = normals(outer * reduced, `${outer}`)
    const [perChunk, chunks] = chunksOf(outer, reduced)
    const words = { outer, reduced, divisor: 3, block: 0, perChunk }
    const exact = Array.from({ length: outer }, (_, o) => sum(x.slice(o * reduced, (o + 1) * reduced)) / 3)
    expectSums({ kernel: kernelOf("sumRows"), given: { x, out: 4 * outer }, words, chunks }, "out", exact, false)
  }
  const [outer, reduced, block] = [2, 150, 64]
  const x = normals(outer * reduced, "blocks")
  const exact = Array.from({ length: 6 }, (_, i) => {
    const [row, at] = [Math.floor(i / 3) * reduced, (i % 3) * block]
    return sum(x.slice(row + at, row + Math.min(at + block, reduced)))
  })
  const words = { outer, reduced, divisor: 1, block, perChunk: 1 }
  expectSums({ kernel: kernelOf("sumRows"), given: { x, parts: 48 }, words, chunks: 6 }, "parts", exact, true)
})

test("sums of columns, and of products", () => {
  for (const [outer, reduced, inner, perChunk] of [
    [1, 3, 1, 1],
    [3, 40, 37, 16],
    [1, 300, 131, 48]
  ] as const) {
    const [x, y] = ["x", "y"].map((name) => normals(outer * reduced * inner, `${name}${inner}`)) as [Values, Values]
    const words = { reduced, inner, divisor: 7, perChunk }
    const chunks = outer * Math.ceil(inner / perChunk)
    for (const factor of [undefined, y]) {
      const exact = Array.from({ length: outer * inner }, (_, i) => {
        const [o, j] = [Math.floor(i / inner), i % inner]
        const at = (r: number) => (o * reduced + r) * inner + j
        return sum(Float64Array.from({ length: reduced }, (_, r) => x[at(r)]! * (factor?.[at(r)] ?? 1))) / 7
      })
      const given = { x, ...(factor === undefined ? {} : { y: factor }), out: 4 * outer * inner }
      expectSums({ kernel: kernelOf("sumColumns"), given, words, chunks }, "out", exact, false)
    }
  }
})

test("sums of squares of the blocks of a list", () => {
  const sizes = [5, 40_001, 16_384, 1]
  const tensors = sizes.map((size) => ({ x: normals(size, "list"), size }))
  const exact = tensors.flatMap(({ x, size }) =>
    Array.from({ length: Math.ceil(size / 16_384) }, (_, b) => squares(x.slice(b * 16_384, (b + 1) * 16_384)))
  )
  const entries = tensors.map(({ x, size }) => ({ given: { x }, words: { size } }))
  const given = { parts: 8 * exact.length }
  const call = { kernel: kernelOf("squaresOfBlocks"), given, words: {}, entries, ...cutBlocks(tensors) }
  expectSums(call, "parts", exact, true)
})
