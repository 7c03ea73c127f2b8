/**
 * LoRA-Pro's full form with Adam inside, for a list of factor pairs: the equivalent gradient g̃ [out, in] of each (`lora-pro-theorem.ts`),
 * Adam's moments and direction u of it (`adam.ts`), and u pulled back to (dA, dB).
 *
 * On wasm and on a GPU (`webgpu/lora-pro-adam.ts`) neither g̃ nor u is ever whole: what passes through memory is the moments. On wasm
 * three pieces of work for a group of pairs; a group is as many as the engine's arguments and a bound on what lies between the three
 * leave room for.
 */
import type { Tensor, Tensor2D, TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { type AdamRates, adamMoves } from "./adam.ts"
import { declareKernel, far, read, write, writes } from "./declaration.ts"
import { defineKernel } from "./kernel.ts"
import {
  exceedsWebgpu,
  PAIR_ENTRY,
  PAIR_INPUTS,
  pairEntry,
  pairInputs,
  pairOfInputs,
  pairOnWebgpu
} from "./lora-pro.ts"
import { type Factors, theoremThrough, type Whitening, type XChoice } from "./lora-pro-theorem.ts"
import { bounded, groupsOf, listed, named } from "./tensor-lists.ts"
import { cutItems, fitting } from "./wasm/cuts.ts"
import type { WasmEngine } from "./wasm/engine.ts"
import { ALIGNED, codeOf, costOfPairs, inPanels, type PairSizes, scratchOfPairs, wholePanels } from "./wasm/lora-pro.ts"
import type { WebgpuEngine } from "./webgpu/engine.ts"
import { programs } from "./webgpu/loaded.ts"

interface Attributes {
  readonly x: XChoice
  readonly rates: AdamRates
  /** s of each pair */
  readonly scales: ReadonlyArray<number>
}

const INPUTS = PAIR_INPUTS + 2

/** What the rows of a part are a multiple of. */
const ROWS = 24
/** Rows of g̃ at a time in `c/lora-pro-adam.c`, and those of a panel, of 32 columns at most. */
const BAND = 96 + 32
/** Of a pair at most: each has a sum of its own [r, in], so more of them cost memory. */
const PARTS = 4
/** Floats that lie between the three pieces of work, for all pairs of a group together: 16 MiB. */
const BETWEEN = 1 << 22

/** Rows of a part, and how many parts there are: a function of the shape alone. */
const partsOf = ({ outputs }: PairSizes): readonly [perPart: number, parts: number] => {
  const perPart = Math.ceil(outputs / ROWS / PARTS) * ROWS
  return [perPart, Math.ceil(outputs / perPart)]
}

/** What lies between the three pieces of work, in floats. */
const betweenOf = (sizes: PairSizes) => {
  const { r, inputs, outputs } = sizes
  const flat = r * wholePanels(inputs)
  const narrow = wholePanels(r)
  return {
    /** L [outputs, 2r] */
    left: outputs * 2 * r,
    /** a and R [2r, wide] */
    right: 2 * flat,
    /** K [2r, inputs] in panels */
    packed: 2 * r * inPanels(inputs),
    /** Rᵀ [inputs, r] in panels */
    transposed: inputs * narrow,
    /** b [outputs, narrow] */
    tall: outputs * narrow,
    /** [parts, r, wide] */
    parts: partsOf(sizes)[1] * flat
  }
}

const sumOf = (numbers: ReadonlyArray<number>): number => numbers.reduce((sum, n) => sum + n, 0)
const floatsBetween = (sizes: PairSizes): number => sumOf(Object.values(betweenOf(sizes)))

const [state, nextState] = [far(read("f32")), far(write("f32"))]

const kernelOf = (name: string) =>
  declareKernel({
    name,
    structure: "LoraProAdam",
    buffers: {},
    words: { x: "u32", b1: "f32", b2: "f32", c: "f32", e: "f32" },
    entry: {
      ...PAIR_ENTRY,
      ...({ M: state, V: state, nextM: nextState, nextV: nextState } as const),
      ...writes("f32", "left", "right", "packed", "transposed", "tall", "parts"),
      /** perPart: rows of a part */
      ...({ scale: "f32", perPart: "u32" } as const)
    }
  })

const KERNELS = {
  open: kernelOf("loraProAdamOpen"),
  move: kernelOf("loraProAdamMove"),
  close: kernelOf("loraProAdamClose")
} as const

const entryOf = (group: ReadonlyArray<TensorInfo>, scale: number, engine: WasmEngine) => {
  const pair = pairEntry(group)
  const [M, V] = group.slice(PAIR_INPUTS) as [TensorInfo, TensorInfo]
  const [dA, dB, nextM, nextV] = [pair.A, pair.B, M, V].map((before) => engine.output(before.shape, before))
  const outputs = { dA: dA!, dB: dB!, nextM: nextM!, nextV: nextV! }
  return { ...pair, M, V, ...outputs, scale, perPart: partsOf(pair)[0] }
}

type PairEntry = ReturnType<typeof entryOf>

const runTable = (engine: WasmEngine, { x, rates }: Attributes, table: ReadonlyArray<PairEntry>): void => {
  const between = engine.output([sumOf(table.map(floatsBetween))])
  let address = engine.address(between)
  const entries = table.map((pair) => {
    const { left, right, packed, transposed, tall, parts } = betweenOf(pair)
    const [L, K, panels, Rt, b, sums] = [left, right, packed, transposed, tall, parts].map((floats) => {
      address += 4 * floats
      return { address: address - 4 * floats }
    })
    return { ...pair, left: L!, right: K!, packed: panels!, transposed: Rt!, tall: b!, parts: sums! }
  })
  const { b1, b2, c, e } = rates
  const words = { x: codeOf(x), b1, b2, c, e }
  const ofPairs = { entries, ...cutItems(table.length, costOfPairs(table)), scratch: scratchOfPairs(table) }
  const parts = sumOf(table.map((sizes) => partsOf(sizes)[1]))
  const cost = sumOf(table.map(({ r, inputs, outputs }) => inputs * outputs * 4 * r))
  const scratch = 4 * (ALIGNED + Math.max(...table.map(({ inputs }) => BAND * inPanels(inputs))))
  engine.run(KERNELS.open, {}, words, ofPairs)
  engine.run(KERNELS.move, {}, words, { entries, ...cutItems(parts, cost), scratch })
  engine.run(KERNELS.close, {}, words, ofPairs)
  engine.dispose(between)
}

const wasm = (inputs: Readonly<Record<string, TensorInfo>>, attributes: Attributes, engine: WasmEngine) => {
  const entries = groupsOf(listed(inputs), INPUTS).map((group, i) => entryOf(group, attributes.scales[i]!, engine))
  for (const group of bounded(entries, floatsBetween, BETWEEN)) {
    for (const table of fitting(KERNELS.open, group)) runTable(engine, attributes, table)
  }
  return entries.flatMap(({ dA, dB, nextM, nextV }) => [dA, dB, nextM, nextV])
}

const referenceOf = (group: ReadonlyArray<Tensor>, scale: number, { x, rates }: Attributes): ReadonlyArray<Tensor> => {
  const { pair, gradient, w } = pairOfInputs(group)
  const [M, V] = group.slice(PAIR_INPUTS)
  // a tidy for each pair: only one site's [out, in] temporaries exist at a time
  return tf.tidy(() => {
    const moments: Array<Tensor> = []
    const step = (g: Tensor2D): Tensor2D => {
      const [moved] = adamMoves([g], [M!], [V!], rates)
      moments.push(moved!.first, moved!.second)
      return moved!.u as Tensor2D
    }
    const { A, B } = theoremThrough(step, { ...pair, scale }, gradient, w, x)
    return [A, B, ...moments]
  })
}

const reference = (inputs: Readonly<Record<string, TensorInfo>>, attributes: Attributes): ReadonlyArray<Tensor> =>
  groupsOf(listed(inputs), INPUTS).flatMap((group, i) =>
    referenceOf(group as ReadonlyArray<Tensor>, attributes.scales[i]!, attributes)
  )

const webgpu = (inputs: Readonly<Record<string, TensorInfo>>, attributes: Attributes, engine: WebgpuEngine) => {
  const { x, rates, scales } = attributes
  const groups = groupsOf(listed(inputs), INPUTS)
  if (groups.some(exceedsWebgpu)) return reference(inputs, attributes)
  const pairs = groups.map((group, i) => {
    const [first, second] = group.slice(PAIR_INPUTS)
    return { ...pairOnWebgpu(group, scales[i]!), first: first!, second: second! }
  })
  return programs()
    .adamMovesOnWebgpu(engine, pairs, x, rates)
    .flatMap(({ dA, dB, first, second }) => [dA, dB, first, second])
}

/** Inputs: those of `LoraPro`, M and V of each pair in turn. Outputs dA, dB, M', V' of each. */
const moves = defineKernel<string, Attributes>({
  name: "LoraProAdam",
  reference,
  wasm,
  webgpu
})

/** Inputs of a pair's step. Moments M = m/(1−β₁) and V = v/(1−β₂) are [out, in]. */
export interface PairStep {
  readonly pair: Factors & { readonly scale: number }
  readonly gradient: Factors
  readonly whitening: Whitening
  readonly first: Tensor
  readonly second: Tensor
}

/** A pair's directions and next moments. */
export interface PairMove extends Factors {
  readonly first: Tensor
  readonly second: Tensor
}

/** Computes the step of every pair: directions and next moments. */
export const loraProAdamMoves = (
  steps: ReadonlyArray<PairStep>,
  x: XChoice,
  rates: AdamRates
): ReadonlyArray<PairMove> => {
  if (steps.length === 0) return []
  const inputs = steps.flatMap(({ pair, gradient, whitening, first, second }) => [
    ...pairInputs(pair, gradient, whitening),
    first,
    second
  ])
  const outputs = moves(named(inputs), { x, rates, scales: steps.map(({ pair }) => pair.scale) })
  return groupsOf(outputs, 4).map(([A, B, first, second]) => ({
    A: A as Tensor2D,
    B: B as Tensor2D,
    first: first!,
    second: second!
  }))
}
