/**
 * An optimizer's state as data and back: the tree of plain objects, arrays and numbers, with every tensor replaced by its index in
 * a list. Independent of any optimizer, so that a new one is checkpointed without a change here.
 *
 *   { count: 3, first: [T₀, T₁] }  ⇄  { count: 3, first: [{ "$tensor": 0 }, { "$tensor": 1 }] } and [T₀, T₁]
 *
 * JSON has no NaN, no infinities and no −0; those numbers are written as { "$number": "Infinity" }.
 */

import type { Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import type { State } from "../optimizers/index.ts"

export type StoredState = number | null | ReadonlyArray<StoredState> | { readonly [key: string]: StoredState | string }

/** The tree without its tensors, and the tensors in the order of their indices. The tensors stay the caller's. */
export const storedState = (state: State): { readonly tree: StoredState; readonly tensors: ReadonlyArray<Tensor> } => {
  const tensors: Array<Tensor> = []
  const store = (node: State): StoredState => {
    if (node === null) return null
    if (typeof node === "number") return Number.isFinite(node) && !Object.is(node, -0) ? node : numberAsText(node)
    if (node instanceof tf.Tensor) return { $tensor: tensors.push(node) - 1 }
    if (Array.isArray(node)) return node.map(store)
    return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, store(value)]))
  }
  return { tree: store(state), tensors }
}

const numberAsText = (value: number) => ({ $number: Object.is(value, -0) ? "-0" : String(value) })

/** The state again. Throws a RangeError where the tree names a tensor that is not there. */
export const restoredState = (tree: StoredState, tensors: ReadonlyArray<Tensor>): State => {
  const restore = (node: StoredState): State => {
    if (node === null || typeof node === "number") return node
    if (Array.isArray(node)) return node.map(restore)
    const record = node as { readonly [key: string]: StoredState | string }
    if (typeof record["$number"] === "string") return Number(record["$number"])
    if (typeof record["$tensor"] === "number") {
      const tensor = tensors[record["$tensor"]]
      if (tensor === undefined) throw new RangeError(`the state names tensor ${record["$tensor"]} of ${tensors.length}`)
      return tensor
    }
    return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, restore(value as StoredState)]))
  }
  return restore(tree)
}
