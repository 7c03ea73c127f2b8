/** A user's transform whose state is no tree of tensors and numbers: told when it is made, with its place, and nothing is left behind. */
import { beforeAll, describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { chain, partition, stateFault } from "../../../src/optimizers/index.ts"
import type { State, Transform } from "../../../src/optimizers/transform.ts"
import { crossEntropy, openSession, restoredState, storedState, takeStep } from "../../../src/training/index.ts"
import { randomBatch } from "./tiny-bert.ts"
import { tinyAdapted } from "./tiny-session.ts"

beforeAll(() => tf.setBackend("cpu"))

const scoped = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> => Effect.runPromise(Effect.scoped(effect))

/** As JavaScript would write it: what `State` says is not asked. */
const foreign = (init: () => unknown, later: () => unknown = init): Transform => ({
  init: () => init() as State,
  update: (updates) => ({ updates, state: later() as State })
})

class Moments {
  first = 0
}

const cycle = (): unknown => {
  const list: Array<unknown> = [0]
  list.push({ back: list })
  return { history: list }
}
const nested = (levels: number): State => {
  let state: State = 0
  for (let i = 0; i < levels; i++) state = [state]
  return state
}

const faults: ReadonlyArray<readonly [string, () => unknown, string]> = [
  ["a string", () => ({ count: 0, history: ["a"] }), "state.history[0] is a string"],
  ["a string alone", () => "adam", "state is a string"],
  ["a cycle", cycle, "state.history[1].back refers back to an object that contains it"],
  ["a function", () => ({ rate: () => 1 }), "state.rate is a function"],
  ["a Map", () => ({ moments: new Map([["a", 1]]) }), "state.moments is a Map"],
  ["numbers in an array of their own", () => [new Float32Array(2)], "state[0] is a Float32Array"],
  ["an instance of a class", () => ({ "my moments": new Moments() }), 'state["my moments"] is a Moments'],
  ["undefined", () => ({ first: undefined }), "state.first is undefined"],
  ["a hole in a list", () => new Array(2), "state[0] is undefined"],
  ["true", () => ({ started: true }), "state.started is a boolean"],
  ["a bigint", () => 1n, "state is a bigint"],
  ["a key that checkpoints use", () => ({ $tensor: 0 }), 'state is an object with the key "$tensor"'],
  ["levels without end", () => nested(100_000), "state nests deeper than 63 levels"]
]

describe("a state with", () => {
  test.each(faults)("%s opens no session", (_, init, fault) =>
    scoped(
      Effect.gen(function* () {
        const adapted = yield* tinyAdapted("lora")
        const before = tf.memory().numTensors
        const optimizer = foreign(() => ({ own: tf.zeros([2]), state: init() }))
        const error = yield* Effect.flip(openSession(adapted, { optimizer, loss: crossEntropy }))
        expect(error._tag).toBe("OptimizerStateError")
        const place = fault.replace(/^state(?! nests)/, "state.state")
        expect(error.message).toStartWith(`the optimizer's ${place}`)
        expect(error.message).toEndWith(
          "; expected float32 tensors, numbers, null, and lists and plain objects of them"
        )
        expect(tf.memory().numTensors).toBe(before)
      })
    )
  )

  test.each(faults)("%s after a step is a step that did not happen", (_, later, fault) =>
    scoped(
      Effect.gen(function* () {
        const adapted = yield* tinyAdapted("lora")
        const optimizer = foreign(
          () => ({ own: tf.zeros([2]) }),
          () => ({ own: tf.ones([2]), other: later() })
        )
        const session = yield* openSession(adapted, { optimizer, loss: crossEntropy })
        const before = tf.memory().numTensors
        const error = yield* Effect.flip(takeStep(session, [randomBatch(2, 4, 1)]))
        expect(error._tag).toBe("OptimizerStateError")
        expect(error.message).toContain(fault.replace(/^state(?! nests)/, "state.other"))
        expect([session.step, tf.memory().numTensors]).toEqual([0, before])
      })
    )
  )
})

test("what keeps an optimizer from its first step opens no session", () =>
  scoped(
    Effect.gen(function* () {
      const adapted = yield* tinyAdapted("lora")
      const before = tf.memory().numTensors
      const held: Transform = {
        ...foreign(() => tf.zeros([2])),
        obstacle: ({ pairs }) => `found ${pairs.length} pairs`
      }
      const [free, nowhere] = [foreign(() => null), { pairs: 0, all: adapted.trainable.pairs.length }]
      for (const [optimizer, pairs] of [
        [chain(free, held), nowhere.all],
        [partition({ body: held, head: free }), nowhere.all],
        [partition({ body: free, dense: chain(held), head: free }), nowhere.pairs]
      ] as const) {
        const error = yield* Effect.flip(openSession(adapted, { optimizer, loss: crossEntropy }))
        expect(error._tag).toBe("OptimizerObstacle")
        expect(error.message).toBe(`the optimizer cannot take a step here: found ${pairs} pairs`)
        expect(tf.memory().numTensors).toBe(before)
      }
    })
  ))

test("a refreshed state is held to the same", () =>
  scoped(
    Effect.gen(function* () {
      const adapted = yield* tinyAdapted("lora")
      const optimizer: Transform = {
        ...foreign(() => ({ own: tf.zeros([2]) })),
        refresh: (state) =>
          Effect.sync((): unknown => ({ old: state, made: tf.ones([3]), at: "now" })) as Effect.Effect<State>
      }
      const session = yield* openSession(adapted, { optimizer, loss: crossEntropy })
      const before = tf.memory().numTensors
      const error = yield* Effect.flip(takeStep(session, [randomBatch(2, 4, 1)]))
      expect(error.message).toContain("state.at is a string")
      expect(tf.memory().numTensors).toBe(before)
      expect((session.optimizerState as { readonly own: tf.Tensor }).own.isDisposed).toBe(false)
    })
  ))

describe("tensors of a state", () => {
  test("are float32, as checkpoints have them", () => {
    tf.tidy(() => expect(stateFault([tf.tensor([1], [1], "int32")])).toBe("state[0] is a tensor of type int32"))
  })

  test("are not disposed yet", () => {
    const tensor = tf.zeros([1])
    tensor.dispose()
    expect(stateFault({ tensor })).toBe("state.tensor is a tensor that is disposed")
  })
})

test("numbers that are not finite, null, empty lists and objects without a prototype are states, and survive a checkpoint", () => {
  const bare: State = Object.assign(Object.create(null), { a: [], b: {} })
  const state = { nan: Number.NaN, infinite: -Infinity, nothing: null, bare, deep: nested(60) }
  expect(stateFault(state)).toBeUndefined()
  const { tree, tensors } = storedState(state)
  expect(restoredState(JSON.parse(JSON.stringify(tree)), tensors)).toEqual({ ...state, bare: { a: [], b: {} } })
})
