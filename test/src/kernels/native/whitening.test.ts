/** Whitening matrices and LoRA-Pro's directions in machine code, beside wasm's, for every instruction set; their laws are in `../`. */
import { expect, test } from "bun:test"
import { declaredKernels } from "../../../../src/kernels/index.ts"
import { codeOf, type PairSizes, scratchOfPairs } from "../../../../src/kernels/wasm/lora-pro.ts"
import { scratchOf } from "../../../../src/kernels/whitening.ts"
import { normals } from "../float64.ts"
import { distance, libraries, runBoth } from "./both.ts"

/** Of the largest number: float32's rounding of what both find in float64, and sums of up to some hundred float32 products. */
const BOUND = 5e-6

const kernelOf = (name: string) => declaredKernels().find((kernel) => kernel.name === name)!

/** Jacobi's method has the first; a tridiagonal matrix the others, the last but for its zeros. */
const pairs: ReadonlyArray<PairSizes> = [
  { r: 5, inputs: 37, outputs: 24 },
  { r: 1, inputs: 12, outputs: 7 },
  { r: 30, inputs: 130, outputs: 100 },
  { r: 41, inputs: 90, outputs: 200 },
  { r: 26, inputs: 70, outputs: 20 }
]

const factorsOf = ({ r, inputs, outputs }: PairSizes) => ({
  A: normals(r * inputs, `A ${r}`),
  B: normals(r * outputs, `B ${r}`)
})

const expectSame = (kernel: string, outputs: ReadonlyArray<string>, found: ReturnType<typeof runBoth>): void => {
  expect([...found.native.keys()]).toEqual(libraries.map(({ instructions }) => instructions))
  for (const [instructions, written] of found.native) {
    for (const [i, { r }] of pairs.entries()) {
      for (const name of outputs) {
        // an eigenvector has two signs
        const [expected, actual] = [found.wasm, written].map((all) => all[`${name} ${i}`]!.map(Math.abs))
        const error = distance(expected!, actual!)
        const says = { kernel, instructions, r, name }
        expect({ ...says, error: error <= BOUND ? 0 : error }).toEqual({ ...says, error: 0 })
      }
    }
  }
}

test.each([1, 3])("whitening matrices, %d pairs a chunk", (perChunk) => {
  const entries = pairs.map((pair) => {
    const square = 4 * pair.r ** 2
    const outputs = { TB: square, TBgrad: square, TAt: square, TAgrad: square, S: square, smallest: 4 }
    return { given: { ...factorsOf(pair), ...outputs }, words: { ...pair, scale: 2 } }
  })
  const scratch = Math.max(...pairs.map(scratchOf))
  const chunks = Math.ceil(pairs.length / perChunk)
  const call = {
    kernel: kernelOf("whitening"),
    given: {},
    words: { damping: 1e-4 },
    entries,
    perChunk,
    chunks,
    scratch
  }
  expectSame("whitening", Object.keys(entries[0]!.given).slice(2), runBoth(call))
})

test.each(["sylvester", "zero", "symmetric"] as const)("directions with X %s", (x) => {
  const entries = pairs.map((pair) => {
    const { r, inputs, outputs } = pair
    const square = (of: string) => normals(r * r, `${of} ${r}`).map((value) => 0.3 * value)
    const whitening = Object.fromEntries(["TB", "TBgrad", "TAt", "TAgrad", "S"].map((of) => [of, square(of)]))
    const gradients = { gA: normals(r * inputs, `gA ${r}`), gB: normals(r * outputs, `gB ${r}`) }
    const given = { ...factorsOf(pair), ...gradients, ...whitening, dA: 4 * r * inputs, dB: 4 * r * outputs }
    return { given, words: { ...pair } }
  })
  const work = { perChunk: 1, chunks: pairs.length, scratch: scratchOfPairs(pairs) }
  const call = { kernel: kernelOf("loraPro"), given: {}, words: { x: codeOf(x) }, entries, ...work }
  expectSame("loraPro", ["dA", "dB"], runBoth(call))
})
