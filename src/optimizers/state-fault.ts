/**
 * Validates an optimizer state: a transform may be the user's own, in JavaScript, and an invalid state is detected when it
 * is created instead of when a checkpoint is written or read. Walks without recursion, since the value may be nested infinitely.
 */
import type { Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Schema from "effect/Schema"
import { cut, limit } from "../boundary/index.ts"
import { Elsewhere } from "./transform.ts"

/** Error of a transform's state that is not a tree of tensors and numbers. */
export class OptimizerStateError extends Schema.TaggedError<OptimizerStateError>()("OptimizerStateError", {
  /** place of the fault, and the value found */
  fault: Schema.String
}) {
  override get message() {
    return `the optimizer's ${cut(this.fault, 300)}; expected float32 tensors, numbers, null, and lists and plain objects of them`
  }
}

const nameOf = (value: object): string => {
  const name: unknown = value.constructor?.name
  return typeof name === "string" && name !== "" ? cut(name, 60) : "class"
}

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/** What a value is, where it has no place in a state; undefined where it has. */
const unfit = (value: unknown): string | undefined => {
  if (value === null || typeof value === "number") return undefined
  if (value instanceof Elsewhere) return undefined
  if (value === undefined) return "undefined"
  if (typeof value !== "object") return `a ${typeof value}`
  if (value instanceof tf.Tensor) {
    if (value.isDisposed) return "a tensor that is disposed"
    return value.dtype === "float32" ? undefined : `a tensor of type ${value.dtype}`
  }
  if (Array.isArray(value)) return undefined
  if (!isPlain(value)) return `a ${nameOf(value)}`
  const [reserved] = Object.keys(value).filter((key) => key.startsWith("$"))
  return reserved === undefined
    ? undefined
    : `an object with the key ${JSON.stringify(cut(reserved, 60))}, and those with $ are kept for checkpoints`
}

const placeOf = (place: string, key: string | number): string =>
  typeof key === "number"
    ? `${place}[${key}]`
    : /^[A-Za-z_]\w*$/.test(key)
      ? `${place}.${key}`
      : `${place}[${JSON.stringify(key)}]`

interface Visit {
  readonly value: unknown
  /** in the object around it; undefined: it is the whole state */
  readonly key?: string | number
  /** the objects around it, innermost first */
  readonly around?: Visit
  readonly depth: number
}

const whereIs = ({ key, around }: Visit): string =>
  key === undefined || around === undefined ? "state" : placeOf(whereIs(around), key)

const contains = ({ around, value }: Visit): boolean => {
  for (let ancestor = around; ancestor !== undefined; ancestor = ancestor.around)
    if (ancestor.value === value) return true
  return false
}

/** Returns the first invalid value of a state with its place, as the beginning of a sentence; undefined if the state is valid. */
export const stateFault = (state: unknown): string | undefined => {
  // the last of the list is next: children are put there in reverse, so that the first fault in reading order is found
  const waiting: Array<Visit> = [{ value: state, depth: 0 }]
  const deepest = limit("json-depth") - 1 // a tensor is an object of its own in a checkpoint
  for (let visit = waiting.pop(); visit !== undefined; visit = waiting.pop()) {
    const { value, depth } = visit
    const what = unfit(value)
    if (what !== undefined) return `${whereIs(visit)} is ${what}`
    if (typeof value !== "object" || value === null || value instanceof tf.Tensor || value instanceof Elsewhere)
      continue
    if (contains(visit)) return `${whereIs(visit)} refers back to an object that contains it`
    if (depth >= deepest) return `state nests deeper than ${deepest} levels`
    const keys: ReadonlyArray<string | number> = Array.isArray(value) ? [...value.keys()] : Object.keys(value)
    for (const key of keys.toReversed()) {
      const child: unknown = value[key as keyof typeof value]
      // most of a state is tensors as they should be
      if (!(child instanceof tf.Tensor) || unfit(child) !== undefined)
        waiting.push({ value: child, key, around: visit, depth: depth + 1 })
    }
  }
  return undefined
}

/** Returns the tensors of a value that may not be a valid state, each once. */
export const tensorsWithin = (state: unknown): ReadonlyArray<Tensor> => {
  const seen = new Set<unknown>([state])
  // a set that grows is visited to its end
  for (const value of seen)
    if (typeof value === "object" && value !== null && !(value instanceof tf.Tensor))
      for (const child of Array.isArray(value) ? value : Object.values(value)) seen.add(child)
  return [...seen].filter((value): value is Tensor => value instanceof tf.Tensor)
}
