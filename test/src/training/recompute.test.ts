/** `recompute: "blocks"` changes no bit of a loss, a gradient or a step, leaves nothing behind, and needs less at its peak. */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Batch } from "../../../src/data/index.ts"
import { tensorsOf } from "../../../src/tensors/trainable.ts"
import { backward } from "../../../src/training/backward.ts"
import { crossEntropy, takeStep } from "../../../src/training/index.ts"
import { describeOn, describeOnBoth } from "../../backends.ts"
import { expectNoLeak } from "../../setup.ts"
import { adamw, loraProFull } from "./optimizers.ts"
import { randomBatch } from "./tiny-bert.ts"
import { type MethodName, STEPS, tinyAdapted, tinySession, valuesOf } from "./tiny-session.ts"

const methods = ["lora", "full", "none"] as const
const modes = ["none", "blocks"] as const
type Mode = (typeof modes)[number]

/** One batch, odd lengths and a row of one, and two batches of other shapes for one step. */
const groups: Readonly<Record<string, ReadonlyArray<Batch>>> = {
  "4×8": [randomBatch(4, 8, 1)],
  "3×7": [randomBatch(3, 7, 2)],
  "1×16": [randomBatch(1, 16, 3)],
  "2×8 and 3×5": [randomBatch(2, 8, 4), randomBatch(3, 5, 5)]
}

const scoped = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => Effect.runPromise(Effect.scoped(effect))

describeOnBoth(() => {
  for (const method of methods) {
    test(`${method}: loss and gradients are the same bits, and nothing is left`, () =>
      scoped(
        Effect.gen(function* () {
          const adapted = yield* tinyAdapted(method)
          const bits = async (recompute: Mode, batches: ReadonlyArray<Batch>) => {
            const { loss, gradients } = backward({ adapted, loss: crossEntropy, recompute }, batches)
            const tensors = [loss, ...tensorsOf(gradients)]
            const values = await Promise.all(tensors.map((tensor) => tensor.data()))
            const copies = values.map((value) => new Uint8Array(value.slice().buffer))
            tf.dispose(tensors)
            return copies
          }
          for (const batches of Object.values(groups)) {
            const kept = yield* Effect.promise(() => bits("none", batches))
            expect(kept).toHaveLength(1 + tensorsOf(adapted.trainable).length)
            yield* Effect.promise(() => expectNoLeak(async () => expect(await bits("blocks", batches)).toEqual(kept)))
          }
        })
      ))
  }
})

describeOn("wasm", () => {
  const trained = (method: MethodName, recompute: Mode) =>
    scoped(
      Effect.gen(function* () {
        const session = yield* tinySession(method === "lora" ? loraProFull : adamw, { method, recompute })
        const losses: Array<number> = []
        for (let i = 0; i < 10; i++) {
          losses.push((yield* takeStep(session, [randomBatch(4, 8, i), randomBatch(2, 5, STEPS + i)])).loss)
        }
        return { losses, values: yield* valuesOf(session.adapted.trainable) }
      })
    )

  for (const method of methods) {
    test(`${method}: ten steps end with the same bits`, async () => {
      expect(await trained(method, "blocks")).toEqual(await trained(method, "none"))
    })
  }

  /** Bytes of tensors at the fullest moment of `f`, beyond those before it, as tfjs counts them whenever it makes one. */
  const peakOf = (f: () => void): number => {
    const engine = tf.engine() as unknown as { trackTensor: (...made: ReadonlyArray<unknown>) => void }
    const { trackTensor } = engine
    const before = tf.memory().numBytes
    let peak = before
    engine.trackTensor = (...made) => {
      trackTensor.apply(engine, [...made])
      peak = Math.max(peak, tf.memory().numBytes)
    }
    f()
    engine.trackTensor = trackTensor
    return peak - before
  }

  for (const method of ["lora", "full"] as const) {
    // of two blocks one is held at a time, but its gradients are there in both cases: more than a half
    test(`${method}: the peak over two blocks is less than 3/4`, () =>
      scoped(
        Effect.map(tinyAdapted(method), (adapted) => {
          const peak = (recompute: Mode) =>
            peakOf(() => {
              const session = { adapted, loss: crossEntropy, recompute }
              const { loss, gradients } = backward(session, [randomBatch(16, 16, 1)])
              tf.dispose([loss, ...tensorsOf(gradients)])
            })
          expect(peak("blocks")).toBeLessThan(0.75 * peak("none"))
        })
      ))
  }
})
