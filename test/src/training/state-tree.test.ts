/** An optimizer's state through JSON and back: every number, also those JSON has no word for, and every tensor in its place. */
import { beforeAll, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import type { State } from "../../../src/optimizers/transform.ts"
import { restoredState, type StoredState, storedState } from "../../../src/training/state-tree.ts"

beforeAll(() => tf.setBackend("cpu"))

const throughJson = (tree: StoredState): StoredState => JSON.parse(JSON.stringify(tree))

const roundTrip = (state: State): State => {
  const { tree, tensors } = storedState(state)
  return restoredState(throughJson(tree), tensors)
}

test("numbers keep their value, with the ones that JSON lacks", () => {
  const numbers = [0, -0, 1, -1.5, 5e-324, 1.7976931348623157e308, 0.1 + 0.2, NaN, Infinity, -Infinity, 2 ** 53 + 2]
  const restored = roundTrip(numbers) as ReadonlyArray<number>
  expect(restored.length).toBe(numbers.length)
  numbers.forEach((number, i) => expect(Object.is(restored[i], number)).toBe(true))
})

test("trees keep their form: null, empty, nested", () => {
  const state: State = { count: 3, none: null, list: [], nothing: {}, deep: [{ a: [null, 1] }, [[2]]] }
  expect(roundTrip(state)).toEqual(state)
})

test("tensors are listed once each in the order of the tree, and come back into their places", () => {
  const [a, b, c] = [tf.scalar(1), tf.tensor2d([[1, 2]]), tf.tensor1d([3])]
  const state: State = { second: [b, { third: c }], first: a }
  const { tree, tensors } = storedState(state)
  expect(tensors).toEqual([b, c, a])
  expect(tree).toEqual({ second: [{ $tensor: 0 }, { third: { $tensor: 1 } }], first: { $tensor: 2 } })
  const [x, y, z] = [tf.scalar(7), tf.scalar(8), tf.scalar(9)]
  expect(restoredState(throughJson(tree), [x, y, z])).toEqual({ second: [x, { third: y }], first: z })
  tf.dispose([a, b, c, x, y, z])
})

test("a tensor that is not there is said by its number", () => {
  expect(() => restoredState([{ $tensor: 4 }], [])).toThrow(new RangeError("the state names tensor 4 of 0"))
})
