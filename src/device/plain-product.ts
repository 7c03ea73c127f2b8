/** tfjs' matrix product where it is one that our engines take: equal batches of float32 matrices, in any transposition. */
import { type TensorInfo, util } from "@tensorflow/tfjs"
import type { KernelCall } from "./replaced-kernels.ts"

/** op(a)·op(b): a [batch, m, k] (or transposed), b [batch, k, n] (or transposed) */
export interface PlainProduct {
  readonly a: TensorInfo
  readonly b: TensorInfo
  readonly transposeA: boolean
  readonly transposeB: boolean
  readonly batch: number
  readonly m: number
  readonly n: number
  readonly k: number
  /** of the product */
  readonly shape: ReadonlyArray<number>
}

/** Undefined for what broadcasts, has another type, or does not fit: what is wrong with it, the stock kernel says. */
export const plainProduct = ({ inputs, attrs }: KernelCall<unknown>): PlainProduct | undefined => {
  const [a, b] = [inputs["a"]!, inputs["b"]!]
  const [transposeA, transposeB] = [attrs["transposeA"] === true, attrs["transposeB"] === true]
  const outer = a.shape.slice(0, -2)
  const k = a.shape.at(transposeA ? -2 : -1)!
  if (a.dtype !== "float32" || b.dtype !== "float32") return undefined
  if (k !== b.shape.at(transposeB ? -1 : -2) || !util.arraysEqual(outer, b.shape.slice(0, -2))) return undefined
  const [m, n] = [a.shape.at(transposeA ? -1 : -2)!, b.shape.at(transposeB ? -2 : -1)!]
  return { a, b, transposeA, transposeB, batch: util.sizeFromShape(outer), m, n, k, shape: [...outer, m, n] }
}
