/** Which types a transform's state may have: what is said here is checked by the compiler. */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { chain, loraPro, type State, type Transform, tensorsOf } from "../../../src/optimizers/index.ts"

interface Moments {
  readonly count: number
  readonly nested: { readonly first: ReadonlyArray<tf.Tensor>; readonly none: null }
  /** of a transform inside */
  readonly inner: State
}

const inner: Moments = { count: 0, nested: { first: [], none: null }, inner: [1, null] }

const ofInterface: Transform<Moments> = {
  init: (params) => ({ ...inner, nested: { first: tensorsOf(params).map((t) => tf.zerosLike(t)), none: null } }),
  update: (updates, state) => ({ updates, state: { ...state, count: state.count + 1 } })
}

test("a state may be an interface, in chains and inside LoRA-Pro", () => {
  const transforms: ReadonlyArray<Transform> = [ofInterface, chain(ofInterface), loraPro({ inner: ofInterface })]
  const { state } = ofInterface.update({ pairs: [], dense: [] }, inner, { pairs: [], dense: [] })
  expect(state.count).toBe(1)
  expect(transforms.length).toBe(3)
})

test("what a checkpoint could not store is no state", () => {
  interface Named {
    readonly name: string
  }
  interface WithMap {
    readonly deep: { readonly seen: Map<string, number> }
  }
  // @ts-expect-error a string
  type OfName = Transform<Named>
  // @ts-expect-error a Map
  type OfMap = Transform<WithMap>
  // @ts-expect-error a function
  type OfFunction = Transform<{ readonly make: () => number }>
  const types: ReadonlyArray<OfName | OfMap | OfFunction> = []
  expect(types).toEqual([])
})
