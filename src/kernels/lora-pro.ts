/**
 * LoRA-Pro's directions (dA, dB) for a list of factor pairs: the theorem of `lora-pro-theorem.ts`, pair by pair. On wasm one piece of work
 * for all pairs, on a GPU three programs (`webgpu/lora-pro.ts`).
 */
import type { Tensor, Tensor2D, TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { declareKernel, reads, write } from "./declaration.ts"
import { defineKernel } from "./kernel.ts"
import { type Factors, theorem, type Whitening, type XChoice } from "./lora-pro-theorem.ts"
import { groupsOf, listed, named } from "./tensor-lists.ts"
import { cutItems, fitting } from "./wasm/cuts.ts"
import type { WasmEngine } from "./wasm/engine.ts"
import { codeOf, costOfPairs, scratchOfPairs, sizesOf } from "./wasm/lora-pro.ts"
import type { WebgpuEngine } from "./webgpu/engine.ts"
import { programs } from "./webgpu/loaded.ts"
import type { PairOnWebgpu } from "./webgpu/pairs.ts"

interface Attributes {
  readonly x: XChoice
}

/** Returns a pair's inputs of a kernel in their order: A, B, gA, gB and the five matrices. */
export const pairInputs = (pair: Factors, gradient: Factors, w: Whitening): ReadonlyArray<Tensor> => [
  pair.A,
  pair.B,
  gradient.A,
  gradient.B,
  w.TB,
  w.TBgrad,
  w.TAt,
  w.TAgrad,
  w.S
]

/** Number of a pair's inputs. */
export const PAIR_INPUTS = 9

/** Returns a pair from its inputs of a kernel. */
export const pairOfInputs = (inputs: ReadonlyArray<Tensor>) => {
  const [A, B, gA, gB, TB, TBgrad, TAt, TAgrad, S] = inputs as ReadonlyArray<Tensor2D>
  const w: Whitening = { TB: TB!, TBgrad: TBgrad!, TAt: TAt!, TAgrad: TAgrad!, S: S! }
  return { pair: { A: A!, B: B! }, gradient: { A: gA!, B: gB! }, w }
}

/** Declaration of a pair's entry for kernels on wasm. */
export const PAIR_ENTRY = {
  ...reads("f32", "A", "B", "gA", "gB", "TB", "TBgrad", "TAt", "TAgrad", "S"),
  ...({ dA: write("f32"), dB: write("f32"), r: "u32", inputs: "u32", outputs: "u32" } as const)
}

/** Returns a pair's entry from its inputs, without results. */
export const pairEntry = (group: ReadonlyArray<TensorInfo>) => {
  const [A, B, gA, gB, TB, TBgrad, TAt, TAgrad, S] = group
  const inputs = { A: A!, B: B!, gA: gA!, gB: gB!, TB: TB!, TBgrad: TBgrad!, TAt: TAt!, TAgrad: TAgrad!, S: S! }
  return { ...inputs, ...sizesOf(A!, B!) }
}

const kernel = declareKernel({
  name: "loraPro",
  buffers: {},
  /** x: `codeOf` a choice */
  words: { x: "u32" },
  entry: PAIR_ENTRY
})

const wasm = (inputs: Readonly<Record<string, TensorInfo>>, { x }: Attributes, engine: WasmEngine) => {
  const entries = groupsOf(listed(inputs), PAIR_INPUTS).map((group) => {
    const entry = pairEntry(group)
    return { ...entry, dA: engine.output(entry.A.shape), dB: engine.output(entry.B.shape) }
  })
  for (const table of fitting(kernel, entries)) {
    const work = { ...cutItems(table.length, costOfPairs(table)), scratch: scratchOfPairs(table) }
    engine.run(kernel, {}, { x: codeOf(x) }, { entries: table, ...work })
  }
  return entries.flatMap(({ dA, dB }) => [dA, dB])
}

/** Returns a pair's buffers and words for programs on a GPU. */
export const pairOnWebgpu = (group: ReadonlyArray<TensorInfo>, scale: number): PairOnWebgpu => {
  const [A, B, gA, gB] = group
  return { A: A!, B: B!, gA: gA!, gB: gB!, whitening: group.slice(4, PAIR_INPUTS), scale }
}

/** Returns whether a pair's rank exceeds that of the GPU programs; tfjs ops are used then. */
export const exceedsWebgpu = (group: ReadonlyArray<TensorInfo>): boolean => group[0]!.shape[0]! > programs().MOST_RANK

const reference = (inputs: Readonly<Record<string, TensorInfo>>, { x }: Attributes): ReadonlyArray<Tensor> =>
  groupsOf(listed(inputs), PAIR_INPUTS).flatMap((group) => {
    const { pair, gradient, w } = pairOfInputs(group as ReadonlyArray<Tensor>)
    const moved = tf.tidy(() => ({ ...theorem(pair, gradient, w, x) }))
    return [moved.A, moved.B]
  })

const webgpu = (inputs: Readonly<Record<string, TensorInfo>>, attributes: Attributes, engine: WebgpuEngine) => {
  const groups = groupsOf(listed(inputs), PAIR_INPUTS)
  if (groups.some(exceedsWebgpu)) return reference(inputs, attributes)
  return programs().directionsOnWebgpu(
    engine,
    // s is in the whitening
    groups.map((group) => pairOnWebgpu(group, 1)),
    attributes.x
  )
}

/** Inputs: those of each pair in turn. Outputs dA, dB of each. */
const directions = defineKernel<string, Attributes>({
  name: "LoraPro",
  reference,
  wasm,
  webgpu
})

/** Computes (dA, dB) of every pair from its factors, their gradients and its whitening. */
export const loraProDirections = (
  pairs: ReadonlyArray<Factors>,
  gradients: ReadonlyArray<Factors>,
  whitenings: ReadonlyArray<Whitening>,
  x: XChoice
): ReadonlyArray<Factors> => {
  if (pairs.length === 0) return []
  const inputs = pairs.flatMap((pair, i) => pairInputs(pair, gradients[i]!, whitenings[i]!))
  return groupsOf(directions(named(inputs), { x }), 2).map(([A, B]) => ({ A: A as Tensor2D, B: B as Tensor2D }))
}
