/**
 * f·x + h·y for lists of tensors, and f·x alone: a learning rate, decay, momentum, clipping, parameters + updates. On wasm one piece
 * of work for all tensors, with the bits of the reference; on a GPU one dispatch.
 */
import type { Scalar, Tensor } from "@tensorflow/tfjs-core"
import { add, mul } from "./expression/expression.ts"
import { list } from "./expression/kernel.ts"

const combination = list({
  name: "combination",
  reads: ["x", "y"],
  words: { f: "f32", h: "f32" },
  body: ({ x, y, f, h }) => ({ sum: add(mul(x, f), mul(y, h)) })
})

const multiple = list({
  name: "multiple",
  reads: ["x"],
  words: { f: "f32" },
  body: ({ x, f }) => ({ z: mul(x, f) })
})

/** By what the device holds: no one has to read it. */
const product = list({
  name: "scaled",
  reads: ["x"],
  scalars: ["factor"],
  body: ({ x, factor }) => ({ z: mul(x, factor) })
})

/** Computes f·xᵢ + h·yᵢ for each pair of tensors of two lists. */
export const combined = (
  f: number,
  x: ReadonlyArray<Tensor>,
  h: number,
  y: ReadonlyArray<Tensor>
): ReadonlyArray<Tensor> => combination({ x, y }, { f, h }).sum

/** Computes f·xᵢ for each tensor; f may be a scalar on the device. */
export const scaled = (f: number | Scalar, x: ReadonlyArray<Tensor>): ReadonlyArray<Tensor> =>
  typeof f === "number" ? multiple({ x }, { f }).z : product({ x, factor: f }, {}).z
