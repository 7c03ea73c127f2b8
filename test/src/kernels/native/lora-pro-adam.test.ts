/**
 * LoRA-Pro's full form in machine code, beside wasm's: the three kernels one after the other, since what lies between them is theirs. Whole
 * runs are in `../lora-pro.test.ts`, with the best instruction set.
 */
import { expect, test } from "bun:test"
import { declaredKernels } from "../../../../src/kernels/index.ts"
import { cutItems } from "../../../../src/kernels/wasm/cuts.ts"
import { codeOf, inPanels, type PairSizes, scratchOfPairs } from "../../../../src/kernels/wasm/lora-pro.ts"
import { normals } from "../float64.ts"
import { distance, type Given, libraries, runBoth, type Written } from "./both.ts"

/** Of the largest number: sums of up to some hundred float32 products, which go through each other. */
const BOUND = 1e-5

const kernelOf = (name: string) => declaredKernels().find((kernel) => kernel.name === name)!
const stages = ["loraProAdamOpen", "loraProAdamMove", "loraProAdamClose"].map(kernelOf)
const RESULTS = ["dA", "dB", "nextM", "nextV"] as const

/** Sizes, and rows of a part. */
type Pair = PairSizes & { readonly perPart: number }

const givenOf = ({ r, inputs, outputs, perPart }: Pair): Given => {
  const random = (of: string, size: number) => normals(size, `${of} ${r} ${inputs}`)
  const square = (of: string) => random(of, r * r).map((x) => 0.3 * x)
  const bytes = (floats: number) => 4 * floats
  const weight = outputs * inputs
  return {
    A: random("A", r * inputs),
    B: random("B", r * outputs),
    gA: random("gA", r * inputs),
    gB: random("gB", r * outputs),
    ...Object.fromEntries(["TB", "TBgrad", "TAt", "TAgrad", "S"].map((of) => [of, square(of)])),
    M: random("M", weight),
    V: random("V", weight).map(Math.abs),
    dA: bytes(r * inputs),
    dB: bytes(r * outputs),
    nextM: bytes(weight),
    nextV: bytes(weight),
    left: bytes(outputs * 2 * r),
    right: bytes(2 * r * inPanels(inputs)),
    packed: bytes(2 * r * inPanels(inputs)),
    transposed: bytes(inputs * inPanels(r)),
    tall: bytes(outputs * inPanels(r)),
    parts: bytes(Math.ceil(outputs / perPart) * r * inPanels(inputs))
  }
}

const pairs: ReadonlyArray<Pair> = [
  { r: 8, inputs: 96, outputs: 50, perPart: 24 },
  { r: 5, inputs: 37, outputs: 24, perPart: 24 },
  { r: 1, inputs: 12, outputs: 7, perPart: 24 },
  { r: 40, inputs: 130, outputs: 100, perPart: 48 },
  // more rows of a part than native has at a time
  { r: 9, inputs: 50, outputs: 230, perPart: 120 }
]

/** What an engine's three kernels write, the later of what two of them do. */
const chain = (engine: string, cost: number): Written => {
  const words = { x: codeOf("sylvester"), b1: 0.9, b2: 0.99, c: 1.3, e: 1e-1 }
  const parts = pairs.reduce((sum, { outputs, perPart }) => sum + Math.ceil(outputs / perPart), 0)
  const before = pairs.map(givenOf)
  return stages.reduce((all: Written, kernel, stage) => {
    const entries = pairs.map((pair, i) => {
      const made = Object.keys(before[i]!).flatMap((name) => {
        const own = all[`${name} ${i}`]
        return own === undefined ? [] : [[name, own] as const]
      })
      return { given: { ...before[i]!, ...Object.fromEntries(made) }, words: { ...pair, scale: 2 } }
    })
    const scratch = stage === 1 ? 4 * (32 + 128 * inPanels(130)) : scratchOfPairs(pairs)
    const { wasm, native } = runBoth({
      kernel,
      given: {},
      words,
      entries,
      ...cutItems(stage === 1 ? parts : pairs.length, cost),
      scratch
    })
    return engine === "wasm" ? wasm : native.get(engine)!
  }, {})
}

test("directions and moments, in one chunk and in many", () => {
  for (const cost of [1, 1 << 30]) {
    const expected = chain("wasm", cost)
    for (const { instructions } of libraries) {
      const found = chain(instructions, cost)
      for (const [i, { r }] of pairs.entries()) {
        for (const name of RESULTS) {
          const error = distance(expected[`${name} ${i}`]!, found[`${name} ${i}`]!)
          const says = { instructions, r, name }
          expect({ ...says, error: error <= BOUND ? 0 : error }).toEqual({ ...says, error: 0 })
        }
      }
    }
  }
})
