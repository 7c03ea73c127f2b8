/** No tensor, data buffer or byte more after thirty steps than after ten, for every optimizer on every adapter it is for; over thousands: long/soak.long.ts. */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { takeStep } from "../../../src/training/index.ts"
import { describeOn } from "../../backends.ts"
import { combinations } from "./optimizers.ts"
import { randomBatch } from "./tiny-bert.ts"
import { tinySession } from "./tiny-session.ts"

const WARM = 10
const STEPS = 30
/** A step's milliseconds on the slowest machine that runs this, times the steps. */
const TIMEOUT = 60_000

const held = () => {
  const { numTensors, numDataBuffers, numBytes } = tf.memory()
  const { wasm } = tf.backend() as unknown as { readonly wasm: { readonly HEAPU8: Uint8Array } }
  return { numTensors, numDataBuffers, numBytes, heap: wasm.HEAPU8.length }
}

describeOn("wasm", () => {
  for (const [method, name, config] of combinations) {
    test(
      `${method} with ${name}`,
      () =>
        Effect.runPromise(
          Effect.scoped(
            Effect.gen(function* () {
              const session = yield* tinySession(config, { method, accumulate: 2 })
              // lengths in turn, as buckets have them
              const batches = [randomBatch(2, 8, 1), randomBatch(2, 5, 2), randomBatch(3, 6, 3)]
              const take = (i: number) => takeStep(session, [batches[i % 3]!, batches[(i + 1) % 3]!])
              for (let i = 0; i < WARM; i++) yield* take(i)
              const before = held()
              for (let i = WARM; i < STEPS; i++) yield* take(i)
              expect(held()).toEqual(before)
              expect(session.step).toBe(STEPS)
            })
          )
        ),
      TIMEOUT
    )
  }

  test("and none at all when the session's scope has ended", async () => {
    const before = held()
    for (const [method, , config] of combinations) {
      await Effect.runPromise(
        Effect.scoped(
          Effect.flatMap(tinySession(config, { method }), (session) => takeStep(session, [randomBatch(2, 5, 1)]))
        )
      )
    }
    const { heap: _, ...now } = held()
    const { heap: __, ...then } = before
    expect(now).toEqual(then)
  })
})
