/** The moves of LoRA-Pro's full form in machine code, beside wasm's: between what opens them and what closes them, which are wasm's. */
import { expect, test } from "bun:test"
import { declaredKernels } from "../../../../src/kernels/index.ts"
import { cutItems } from "../../../../src/kernels/wasm/cuts.ts"
import { normals } from "../float64.ts"
import { distance, libraries, runBoth } from "./both.ts"

/** Of the largest number: sums of up to a thousand float32 products, of numbers that have gone through a division. */
const BOUND = 5e-6

const kernel = declaredKernels().find(({ name }) => name === "loraProAdamMove")!

const whole = (n: number): number => Math.ceil(n / 12) * 12

/** Widths of wasm's panels for n columns: twelves, and the rest in one or two of eight. */
const panelsOf = (n: number): ReadonlyArray<number> => {
  const rest = n % 12
  const fewer = rest !== 0 && rest <= 4 && n >= 12 ? 1 : 0
  const twelves = Math.floor(n / 12) + (rest > 8 ? 1 : 0) - fewer
  return [
    ...Array.from({ length: twelves }, () => 12),
    ...Array.from({ length: Math.ceil(Math.max(0, n - 12 * twelves) / 8) }, () => 8)
  ]
}

/** A matrix [k, n] in panels; what is beyond a column is 0. */
const packed = (k: number, n: number, at: (p: number, j: number) => number): ReadonlyArray<number> => {
  let first = 0
  return panelsOf(n).flatMap((width) => {
    const own = Array.from({ length: k * width }, (_, i) => {
      const j = first + (i % width)
      return j < n ? at(Math.floor(i / width), j) : 0
    })
    first += width
    return own
  })
}

interface Pair {
  readonly r: number
  readonly inputs: number
  readonly outputs: number
  readonly perPart: number
}

const entryOf = ({ r, inputs, outputs, perPart }: Pair) => {
  const name = `${r} ${inputs}`
  const [wide, parts] = [whole(inputs), Math.ceil(outputs / perPart)]
  const right = normals(2 * r * wide, `right ${name}`)
  const K = packed(2 * r, inputs, (p, j) => right[p * wide + j]!)
  const Rt = packed(inputs, r, (p, j) => right[(r + j) * wide + p]!)
  const moment = (of: string) => normals(outputs * inputs, `${of} ${name}`)
  // inputs of what opens and closes are not read
  const none = Object.fromEntries(
    ["A", "B", "gA", "gB", "TB", "TBgrad", "TAt", "TAgrad", "S", "dA", "dB"].map((of) => [of, new Float32Array(1)])
  )
  const given = {
    ...none,
    M: moment("M"),
    V: moment("V").map(Math.abs),
    nextM: 4 * outputs * inputs,
    nextV: 4 * outputs * inputs,
    left: normals(outputs * 2 * r, `left ${name}`),
    right,
    packed: Float32Array.from({ length: 2 * r * wide }, (_, i) => K[i] ?? 0),
    transposed: Float32Array.from({ length: inputs * whole(r) }, (_, i) => Rt[i] ?? 0),
    tall: 4 * outputs * whole(r),
    parts: 4 * parts * r * wide
  }
  return { given, words: { r, inputs, outputs, scale: 1, perPart } }
}

/** The columns of a matrix that mean something. */
const columnsOf = (values: Float32Array, stride: number, n: number): Float32Array =>
  values.filter((_, i) => i % stride < n)

test("moments, what goes back to B, and the sums that go back to A", () => {
  const pairs: ReadonlyArray<Pair> = [
    { r: 8, inputs: 96, outputs: 50, perPart: 24 },
    { r: 5, inputs: 37, outputs: 24, perPart: 24 },
    { r: 1, inputs: 12, outputs: 7, perPart: 24 },
    { r: 20, inputs: 130, outputs: 100, perPart: 48 }
  ]
  const words = { x: 0, b1: 0.9, b2: 0.99, c: 1.3, e: 1e-3 }
  const parts = pairs.reduce((sum, { outputs, perPart }) => sum + Math.ceil(outputs / perPart), 0)
  for (const cost of [1, 1 << 30]) {
    const entries = pairs.map(entryOf)
    const { wasm, native } = runBoth({
      kernel,
      given: {},
      words,
      entries,
      ...cutItems(parts, cost),
      scratch: 4 * 2 * 24 * 132
    })
    expect([...native.keys()]).toEqual(libraries.map(({ instructions }) => instructions))
    for (const [instructions, written] of native) {
      for (const [i, { r, inputs }] of pairs.entries()) {
        const sizes = { nextM: [1, 1], nextV: [1, 1], tall: [whole(r), r], parts: [whole(inputs), inputs] } as const
        for (const [name, [stride, n]] of Object.entries(sizes)) {
          const [expected, actual] = [wasm, written].map((all) => columnsOf(all[`${name} ${i}`]!, stride, n))
          const error = distance(expected!, actual!)
          const says = { instructions, r, name }
          expect({ ...says, error: error <= BOUND ? 0 : error }).toEqual({ ...says, error: 0 })
        }
      }
    }
  }
})
