/** A factor that is not finite: the step fails as every diverged step does, and leaves the session as it was. */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { Diverged, takeStep } from "../../../src/training/index.ts"
import { expectNoLeak } from "../../setup.ts"
import { loraProEfficient, loraProFull } from "../training/optimizers.ts"
import { randomBatch } from "../training/tiny-bert.ts"
import { tinySession } from "../training/tiny-session.ts"
import { describeEverywhere } from "./everywhere.ts"

const batch = randomBatch(2, 5, 1)

describeEverywhere("a factor that is not finite", () => {
  for (const [name, config] of [
    ["full", loraProFull],
    ["full, factored", { ...loraProFull, moments: "factored" }],
    ["efficient", loraProEfficient]
  ] as const) {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      test(`${name} form, ${bad}: Diverged, at the layer that shows it`, () =>
        Effect.runPromise(
          Effect.scoped(
            Effect.gen(function* () {
              const session = yield* tinySession(config)
              const { trainable } = session.adapted
              const { site, A } = trainable.pairs[2]!
              const B = tf.fill<tf.Rank.R2>([site.out, A.shape[0]], bad)
              const pairs = trainable.pairs.map((pair, i) => (i === 2 ? { ...pair, B } : pair))
              session.adapted.trainable = { ...trainable, pairs }
              const fails = Effect.map(Effect.flip(takeStep(session, [batch])), (error) => {
                expect(error).toBeInstanceOf(Diverged)
                expect(error.message).toContain(`first at the output of ${site.name}`)
                expect(session.step).toBe(0)
                expect(session.adapted.trainable.pairs[2]!.B.isDisposed).toBe(false)
              })
              // the first refresh leaves the whitening in the state; from then on a failing step leaves nothing
              yield* fails
              yield* Effect.promise(() => expectNoLeak(() => Effect.runPromise(fails)))
            })
          )
        ))
    }
  }
})
