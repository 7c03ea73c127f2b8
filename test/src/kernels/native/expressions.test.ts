/** Kernels made of expressions as machine code: wasm's numbers, and the reference's, for every instruction set that this processor has. */
import { beforeAll, describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import "../../../../src/kernels/index.ts"
import {
  type ColumnKernel,
  declaredExpressions,
  type ExpressionKernel
} from "../../../../src/kernels/expression/declared.ts"
import { evaluate } from "../../../../src/kernels/expression/evaluate.ts"
import { perNumber } from "../../../../src/kernels/expression/rows.ts"
import { cutBlocks } from "../../../../src/kernels/wasm/cuts.ts"
import { gaussian, randomStream } from "../../../../src/numbers/random.ts"
import { type Call, distance, libraries, runBoth, type Written } from "./both.ts"

/** Roundings of a handful of operations, some of them fused; and of sums over a row, whose order is another. */
const AS_WASM = 2e-6
/** The reference's sums over a row are in float32, one after the other; its exponentials are the platform's. */
const AS_REFERENCE = 1e-5

/** Second moments are no less than 0. */
const NOT_NEGATIVE = ["v"]

const normal = (name: string, size: number): Float32Array => {
  const random = randomStream(3, `${name} ${size}`)
  return Float32Array.from({ length: size }, () => {
    const x = 2 * gaussian(random)
    return NOT_NEGATIVE.includes(name) ? Math.abs(x) : x
  })
}

/** Numbers in (0, 1), and words of any bits. */
const wordsOf = ({ words, kernel }: ExpressionKernel): Readonly<Record<string, number>> => {
  const random = randomStream(4, kernel.name)
  return Object.fromEntries(
    Object.entries(words).map(([name, type]) => [
      name,
      type === "u32" ? Math.floor(random() * 2 ** 32) : Math.fround(random())
    ])
  )
}

const sizesOf = {
  tensors: [[1], [7], [16], [129], [33_001]],
  lists: [[1], [15, 33], [40_001, 5, 16_384]],
  rows: [
    [1, 1],
    [3, 5],
    [2, 32],
    [7, 100],
    [37, 391]
  ]
} as const satisfies Record<ExpressionKernel["over"], ReadonlyArray<ReadonlyArray<number>>>

/** The shape of something read from or written to tensors of this shape. */
const shapeOf = (own: ExpressionKernel, name: string, shape: ReadonlyArray<number>): Array<number> => {
  const output = own.outputs[name]
  const from = output === undefined ? own.reads[name] : perNumber(output) ? "buffer" : "row"
  return from === "scalar" ? [1] : from === "column" ? [shape.at(-1)!] : from === "row" ? [shape[0]!, 1] : [...shape]
}

const product = (shape: ReadonlyArray<number>): number => shape.reduce((all, n) => all * n, 1)

interface Place {
  readonly shape: Array<number>
  readonly reads: Readonly<Record<string, Float32Array>>
}

/** A call, and the tensors of each of its places. */
const callOf = (
  own: ExpressionKernel,
  sizes: ReadonlyArray<number>,
  spoil: (name: string, values: Float32Array) => void
) => {
  const { kernel, over } = own
  const words = wordsOf(own)
  const buffers = (shape: ReadonlyArray<number>, want: (name: string) => boolean) => {
    const reads = Object.fromEntries(
      Object.keys(own.reads)
        .filter(want)
        .map((name) => {
          const values = normal(name, product(shapeOf(own, name, shape)))
          spoil(name, values)
          return [name, values]
        })
    )
    const writes = Object.fromEntries(
      Object.keys(own.outputs)
        .filter(want)
        .map((name) => [name, 4 * product(shapeOf(own, name, shape))])
    )
    return { reads, given: { ...reads, ...writes } }
  }
  if (over === "lists") {
    const whole = buffers([1], (name) => own.reads[name] === "scalar")
    const entries = sizes.map((size) => ({ size, ...buffers([size], (name) => own.reads[name] !== "scalar") }))
    const { perChunk, chunks } = cutBlocks(entries)
    const call: Call = {
      kernel,
      given: whole.given,
      words,
      entries: entries.map(({ given, size }) => ({ given, words: { size } })),
      perChunk,
      chunks
    }
    const places = entries.map(({ size, reads }): Place => ({ shape: [size], reads: { ...whole.reads, ...reads } }))
    return { call, words, places }
  }
  const { reads, given } = buffers(sizes, () => true)
  const sizeWords: Readonly<Record<string, number>> =
    over === "tensors" ? { size: product(sizes) } : { rows: sizes[0]!, n: sizes[1]! }
  const call: Call = { kernel, given, words: { ...words, ...sizeWords } }
  return { call, words, places: [{ shape: [...sizes], reads }] }
}

/** What the reference makes of each place, under the names of what a call writes. */
const reference = async (
  own: ExpressionKernel,
  { words, places, call }: ReturnType<typeof callOf>
): Promise<Written> => {
  const results: Array<readonly [string, Float32Array]> = []
  for (const [i, { shape, reads }] of places.entries()) {
    const tensors = Object.fromEntries(
      Object.entries(reads).map(([name, values]) => [name, tf.tensor(values, shapeOf(own, name, shape))])
    )
    const outputs = evaluate(Object.values(own.outputs), tensors, words, shape)
    for (const [j, name] of Object.keys(own.outputs).entries())
      results.push([call.entries === undefined ? name : `${name} ${i}`, (await outputs[j]!.data()) as Float32Array])
    tf.dispose([Object.values(tensors), outputs as Array<tf.Tensor>])
  }
  return Object.fromEntries(results)
}

const expectWithin = (expected: Written, actual: Written, bound: number, says: string): void => {
  expect(Object.keys(actual)).toEqual(Object.keys(expected))
  for (const [name, values] of Object.entries(expected)) {
    const error = distance(values, actual[name]!)
    expect({ says: `${says}: ${name}`, error: error <= bound ? 0 : error }).toEqual({
      says: `${says}: ${name}`,
      error: 0
    })
  }
}

/** A letter for each number: finite, not a number, ∞, −∞. */
const kindsOf = (written: Written): string =>
  Object.values(written)
    .map((values) =>
      Array.from(values, (x) => (Number.isFinite(x) ? "." : Number.isNaN(x) ? "?" : x > 0 ? "+" : "-")).join("")
    )
    .join(" ")

const NOT_FINITE = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
/** What a fused multiplication keeps from overflowing is wasm's ∞; a sum over a row makes NaN of that. */
const ODD = [...NOT_FINITE, 0, -0, 3e38, -3e38, 1e-41, 88.4, -87.4]

beforeAll(async () => {
  await tf.setBackend("cpu")
})

describe.each(declaredExpressions.kernels.map((own) => [own.kernel.name, own] as const))("%s", (_, own) => {
  test("is in the library, with the numbers of wasm and of the reference", async () => {
    for (const sizes of sizesOf[own.over]) {
      const made = callOf(own, sizes, () => {})
      const { wasm, native } = runBoth(made.call)
      expect([...native.keys()]).toEqual(libraries.map(({ instructions }) => instructions))
      const expected = await reference(own, made)
      for (const [instructions, written] of native) {
        expectWithin(wasm, written, AS_WASM, `${instructions} ${sizes} as wasm`)
        expectWithin(expected, written, AS_REFERENCE, `${instructions} ${sizes} as the reference`)
      }
    }
  })

  test("what is not finite shows where it shows on wasm", () => {
    const kinds = new Set<string>()
    for (const [i, bad] of (own.over === "rows" ? NOT_FINITE : ODD).entries()) {
      for (const name of Object.keys(own.reads)) {
        // in whole vectors and in the rest
        const { call } = callOf(own, own.over === "rows" ? [3, 37] : [37], (read, values) => {
          if (read === name) for (let at = i % 3; at < values.length; at += 3) values[at] = bad
        })
        const { wasm, native } = runBoth(call)
        kinds.add(kindsOf(wasm))
        for (const [instructions, written] of native)
          expect({ name, bad, instructions, kinds: kindsOf(written) }).toEqual({
            name,
            bad,
            instructions,
            kinds: kindsOf(wasm)
          })
      }
    }
    expect(kinds.size).toBeGreaterThan(1)
  })
})

describe.each(declaredExpressions.columns.map((own) => [own.kernel.name, own] as const))(
  "%s",
  (_, own: ColumnKernel) => {
    test("is in the library, with the sums of wasm and of float64", () => {
      for (const [rows, n] of [
        [1, 1],
        [5, 33],
        [70, 131],
        [300, 384]
      ] as const) {
        const reads = Object.fromEntries(
          Object.entries(own.factors).map(([name, from]) => [name, normal(name, from === "row" ? rows : rows * n)])
        )
        const { wasm, native } = runBoth({ kernel: own.kernel, given: { ...reads, out: 4 * n }, words: { rows, n } })
        const sums = Float64Array.from({ length: n }, (_, j) => {
          let sum = 0
          for (let i = 0; i < rows; i++)
            sum += Object.entries(own.factors).reduce(
              (all, [name, from]) => all * reads[name]![from === "row" ? i : i * n + j]!,
              1
            )
          return sum
        })
        expect(native.size).toBe(libraries.length)
        for (const [instructions, { out }] of native) {
          // sums in float64 in the same order: what is left is the last rounding
          expect({ instructions, error: distance(wasm["out"]!, out!) <= 2 ** -23 }).toEqual({
            instructions,
            error: true
          })
          expect({ instructions, error: distance(sums, out!) <= 2 ** -23 }).toEqual({ instructions, error: true })
        }
      }
    })
  }
)
