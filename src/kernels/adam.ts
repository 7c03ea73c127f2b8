/**
 * Adam's moments and direction for a list of tensors (the equations stand in `src/optimizers/adamw.ts`):
 *
 *   M' = β₁M + g     V' = β₂V + g²     u = M' / (√V'·c + e)
 *
 * On wasm and on a GPU one pass over memory for all tensors together, on wasm with the bits of the reference. Shapes: M, V, u as g.
 */
import type { Tensor, TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import type { AdamRates } from "./adam-rates.ts"
import { defineKernel } from "./kernel.ts"
import { groupsOf, listed, named, sizeOf } from "./tensor-lists.ts"
import { floatBits, type WasmEngine } from "./wasm/engine.ts"
import { inTables, runBlocks } from "./wasm/tables.ts"
import { programs } from "./webgpu/loaded.ts"

export { type AdamDecays, type AdamRates, ratesAt } from "./adam-rates.ts"

export interface Moved<T> {
  readonly u: T
  readonly first: T
  readonly second: T
}

/** One tensor, of tfjs ops. */
export const adamReference = (g: Tensor, M: Tensor, V: Tensor, { b1, b2, c, e }: AdamRates): Moved<Tensor> =>
  tf.tidy(() => {
    const first = tf.add(tf.mul(M, b1), g)
    const second = tf.add(tf.mul(V, b2), tf.mul(g, g))
    return { u: tf.div(first, tf.add(tf.mul(tf.sqrt(second), c), e)), first, second }
  })

export const adamWords = ({ b1, b2, c, e }: AdamRates): ReadonlyArray<number> => [b1, b2, c, e].map(floatBits)

const wasm = (inputs: Readonly<Record<string, TensorInfo>>, rates: AdamRates, engine: WasmEngine) => {
  const entries = groupsOf(listed(inputs), 3).map((group) => {
    const outputs = [0, 1, 2].map(() => engine.output(group[0]!.shape))
    return { size: sizeOf(group[0]!), words: [...group, ...outputs].map(engine.address), outputs }
  })
  for (const table of inTables(entries, 4)) runBlocks(engine, "adam", adamWords(rates), table)
  return entries.flatMap(({ outputs }) => outputs)
}

/** Inputs g, M, V and outputs u, M', V' of each tensor in turn. */
const adam = defineKernel<string, AdamRates>({
  name: "Adam",
  reference: (inputs, rates) =>
    groupsOf(listed(inputs), 3).flatMap(([g, M, V]) => {
      const { u, first, second } = adamReference(g!, M!, V!, rates)
      return [u, first, second]
    }),
  wasm,
  webgpu: (inputs, rates, engine) => {
    const groups = groupsOf(listed(inputs), 3)
    const [g, M, V] = [0, 1, 2].map((i) => groups.map((group) => group[i]!))
    const [u, first, second] = programs().adamOnWebgpu(engine, { g: g!, M: M!, V: V! }, rates)
    return groups.flatMap((_, i) => [u![i]!, first![i]!, second![i]!])
  },
  inputsToSave: []
})

/** The step of every tensor. */
export const adamMoves = (
  gradients: ReadonlyArray<Tensor>,
  first: ReadonlyArray<Tensor>,
  second: ReadonlyArray<Tensor>,
  rates: AdamRates
): ReadonlyArray<Moved<Tensor>> => {
  if (gradients.length === 0) return []
  const outputs = adam(named(gradients.flatMap((g, i) => [g, first[i]!, second[i]!])), rates)
  return groupsOf(outputs, 3).map(([u, M, V]) => ({ u: u!, first: M!, second: V! }))
}
