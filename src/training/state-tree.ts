/**
 * Serialization of optimizer states: the tree of plain objects, arrays and numbers, with every tensor replaced by its index in
 * a list. Independent of any optimizer, so a new one is checkpointed without a change here.
 *
 *   { count: 3, first: [T₀, T₁] }  ⇄  { count: 3, first: [{ "$tensor": 0 }, { "$tensor": 1 }] } and [T₀, T₁]
 *
 * JSON has no NaN, no infinities and no −0; those numbers are stored as { "$number": "Infinity" }.
 */

import type { Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { cut, isRecord } from "../boundary/index.ts"
import { Elsewhere, OfShape, type State, type StateLayout } from "../optimizers/index.ts"

/** An optimizer's state in a checkpoint's JSON: tensors by index. */
export type StoredState = number | null | ReadonlyArray<StoredState> | { readonly [key: string]: StoredState | string }

/** Returns the tree without its tensors, and the tensors in the order of their indices. The caller keeps the tensors. */
export const storedState = (
  state: State
): {
  /** tree as JSON, with each tensor's index */
  readonly tree: StoredState
  /** tensors, by index */
  readonly tensors: ReadonlyArray<Tensor>
} => {
  const { tree, tensors } = sharedState(state)
  return { tree, tensors: tensors.filter((tensor) => tensor instanceof tf.Tensor) }
}

/** Returns the same of a state that ranks share: the tree is that of the whole state, on every rank. */
export const sharedState = (
  state: State
): {
  /** tree as JSON, with each tensor's index */
  readonly tree: StoredState
  /** tensors by index; those that another rank holds as `Elsewhere` */
  readonly tensors: ReadonlyArray<Tensor | Elsewhere>
} => {
  const tensors: Array<Tensor | Elsewhere> = []
  const store = (node: State): StoredState => {
    if (node === null) return null
    if (typeof node === "number") return Number.isFinite(node) && !Object.is(node, -0) ? node : numberAsText(node)
    if (node instanceof tf.Tensor || node instanceof Elsewhere) return { $tensor: tensors.push(node) - 1 }
    if (Array.isArray(node)) return node.map(store)
    return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, store(value)]))
  }
  return { tree: store(state), tensors }
}

const numberAsText = (value: number) => ({ $number: Object.is(value, -0) ? "-0" : String(value) })

/**
 * Returns a sentence on why a stored tree with tensors of these shapes is not a state of this layout after `step` steps; undefined if it is.
 * Every tensor must occur in the tree exactly once. An integer counts steps, and is at most `step`.
 */
export const stateProblem = (
  layout: StateLayout,
  tree: unknown,
  tensors: ReadonlyArray<{
    /** shapes by index, as in the file */
    readonly shape: ReadonlyArray<number>
  }>,
  step: number
): string | undefined => {
  const named = new Set<number>()
  const tensorProblem = ({ shape }: OfShape, node: unknown, place: string) => {
    const index = isRecord(node) ? node["$tensor"] : undefined
    const tensor = typeof index === "number" ? tensors[index] : undefined
    if (tensor === undefined) return `${place} does not refer to one of the ${tensors.length} tensors`
    if (named.has(index as number)) return `${place} is a tensor that is also used in another place`
    named.add(index as number)
    const [is, expected] = [`[${tensor.shape}]`, `[${shape}]`]
    return is === expected ? undefined : `${place} (tensor ${index}) has shape ${cut(is)}, expected ${expected}`
  }
  const numberProblem = (initial: number, node: unknown, place: string) => {
    // not finite, which training will say
    if (isRecord(node) && /^(NaN|-?Infinity|-0)$/.test(String(node["$number"]))) return undefined
    if (typeof node !== "number") return `${place} is not a number`
    const outside = Number.isInteger(initial) && Number.isInteger(node) && (node < 0 || node > step)
    return outside ? `${place} is ${node} after ${step} steps` : undefined
  }
  const problem = (part: StateLayout, node: unknown, place: string): string | undefined => {
    if (part === null) return node === null ? undefined : `${place} is not part of the optimizer's state`
    if (typeof part === "number") return numberProblem(part, node, place)
    if (part instanceof OfShape) return tensorProblem(part, node, place)
    if (Array.isArray(part) !== Array.isArray(node) || !(Array.isArray(node) || isRecord(node)))
      return `${place} does not have the structure of the optimizer's state`
    const [expected, keys] = [Object.keys(part).sort(), Object.keys(node).sort()]
    if (expected.length !== keys.length || expected.some((key, i) => key !== keys[i]))
      return `${place} has ${keys.length} parts, but the optimizer's state has ${expected.length}${Array.isArray(part) ? "" : ` (${expected.join(", ")})`}`
    for (const [key, inner] of Object.entries(part)) {
      const inside = problem(inner, (node as Readonly<Record<string, unknown>>)[key], `${place}.${key}`)
      if (inside !== undefined) return inside
    }
    return undefined
  }
  const fault = problem(layout, tree, "optimizer")
  if (fault !== undefined || named.size === tensors.length) return fault
  return `it holds ${tensors.length} tensors of the optimizer's state, which has ${named.size}`
}

/** Restores a state. Throws a RangeError if the tree refers to a missing tensor. */
export const restoredState = (tree: StoredState, tensors: ReadonlyArray<Tensor | Elsewhere>): State => {
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
