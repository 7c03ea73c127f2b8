/**
 * f·x + h·y for lists of tensors, and f·x alone: a learning rate, decay, momentum, clipping, parameters + updates. On wasm one piece
 * of work for all tensors, with the bits of the reference; on a GPU one dispatch.
 */
import type { Scalar, Tensor, TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { defineKernel } from "./kernel.ts"
import { groupsOf, listed, named, sizeOf } from "./tensor-lists.ts"
import { floatBits, type WasmEngine } from "./wasm/engine.ts"
import { inTables, runBlocks } from "./wasm/tables.ts"
import { programs } from "./webgpu/loaded.ts"

interface Factors {
  /** of x */
  readonly f: number
  /** of y */
  readonly h: number
}

const run = (
  engine: WasmEngine,
  groups: ReadonlyArray<readonly [TensorInfo, TensorInfo | undefined]>,
  { f, h }: Factors,
  scalar: number
): ReadonlyArray<TensorInfo> => {
  const entries = groups.map(([x, y]) => {
    const output = engine.output(x.shape)
    const words = [engine.address(x), y === undefined ? 0 : engine.address(y), engine.address(output)]
    return { size: sizeOf(x), words, output }
  })
  const own = [floatBits(f), floatBits(h), scalar]
  for (const table of inTables(entries, own.length)) runBlocks(engine, "combination", own, table)
  return entries.map(({ output }) => output)
}

/** A factor of 1 is left out: one operation less, and the same bits. */
const times = (x: Tensor, f: number): Tensor => (f === 1 ? x : tf.mul(x, f))

/** Inputs x, y of each tensor in turn. */
const sums = defineKernel<string, Factors>({
  name: "Combination",
  reference: (inputs, { f, h }) =>
    groupsOf(listed(inputs), 2).map(([x, y]) => tf.tidy(() => tf.add(times(x!, f), times(y!, h)))),
  wasm: (inputs, factors, engine) =>
    run(
      engine,
      groupsOf(listed(inputs), 2).map(([x, y]) => [x!, y!] as const),
      factors,
      0
    ),
  webgpu: (inputs, factors, engine) => {
    const groups = groupsOf(listed(inputs), 2)
    return programs().combinationOnWebgpu(engine, { x: groups.map(([x]) => x!), y: groups.map(([, y]) => y!) }, factors)
  },
  inputsToSave: []
})

/** Inputs: a scalar, then the tensors. */
const products = defineKernel<string, object>({
  name: "Scaled",
  reference: (inputs) => {
    const [factor, ...tensors] = listed(inputs)
    return tensors.map((x) => tf.mul(x, factor!))
  },
  wasm: (inputs, _, engine) => {
    const [factor, ...tensors] = listed(inputs)
    return run(
      engine,
      tensors.map((x) => [x, undefined] as const),
      { f: 1, h: 0 },
      engine.address(factor!)
    )
  },
  webgpu: (inputs, _, engine) => {
    const [factor, ...tensors] = listed(inputs)
    return programs().scaledOnWebgpu(engine, factor!, tensors)
  },
  inputsToSave: []
})

/** f·xᵢ + h·yᵢ */
export const combined = (
  f: number,
  x: ReadonlyArray<Tensor>,
  h: number,
  y: ReadonlyArray<Tensor>
): ReadonlyArray<Tensor> => (x.length === 0 ? [] : sums(named(x.flatMap((one, i) => [one, y[i]!])), { f, h }))

/** f a number: no scalar tensor has to be made for it. */
const multiples = defineKernel<string, { readonly f: number }>({
  name: "Multiple",
  reference: (inputs, { f }) => listed(inputs).map((x) => tf.tidy(() => tf.mul(x, f))),
  wasm: (inputs, { f }, engine) =>
    run(
      engine,
      listed(inputs).map((x) => [x, undefined] as const),
      { f, h: 0 },
      0
    ),
  webgpu: (inputs, { f }, engine) => programs().multiplesOnWebgpu(engine, f, listed(inputs)),
  inputsToSave: []
})

/** f·xᵢ, where f may be on the device. */
export const scaled = (f: number | Scalar, x: ReadonlyArray<Tensor>): ReadonlyArray<Tensor> => {
  if (x.length === 0) return []
  return typeof f === "number" ? multiples(named(x), { f }) : products(named([f, ...x]), {})
}
