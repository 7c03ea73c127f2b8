/**
 * A method's penalty moves the parameters and is not in the loss that is told: values of L, gradients of L + R, R once
 * a step.
 */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Adapted, adalora, inject, lora } from "../../../adapters/index.ts"
import type { Batch } from "../../../src/data/index.ts"
import { valueAndGradients } from "../../../src/tensors/gradients.ts"
import { mapTensors, type Trainable, tensorsOf } from "../../../src/tensors/trainable.ts"
import { backward } from "../../../src/training/backward.ts"
import { crossEntropy } from "../../../src/training/index.ts"
import { describeOnBoth } from "../../backends.ts"
import { expectClose, expectNoLeak, tolerance } from "../../setup.ts"
import { randomBatch, tinyBert } from "./tiny-bert.ts"
import { tinyAdapted } from "./tiny-session.ts"

const options = {
  rank: 2,
  alpha: 8,
  budget: { start: 0.1, end: 0.7, every: 2 },
  sensitivityBetas: [0.85, 0.85],
  orthogonality: 0.5,
  targets: ["query", "**.intermediate.dense"]
} as const

/** Away from the start, where λ = 0 and the loss knows nothing of P and Q. */
const moved = (trainable: Trainable): Trainable =>
  mapTensors((tensor) => tf.tidy(() => tf.add(tensor, tf.randomNormal(tensor.shape, 0, 0.1, "float32", 1))), trainable)

const adapted: Effect.Effect<Adapted, never, Scope.Scope> = Effect.orDie(
  Effect.gen(function* () {
    const own = yield* inject(yield* tinyBert("mean"), adalora, options)
    const start = own.trainable
    own.trainable = moved(start)
    tf.dispose([...tensorsOf(start)])
    return own
  })
)

const scoped = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => Effect.runPromise(Effect.scoped(effect))

/** [loss, …gradients] of a backward pass. */
const numbers = async (
  own: Adapted,
  batches: ReadonlyArray<Batch>,
  recompute: "none" | "blocks" = "none"
): Promise<ReadonlyArray<Float32Array>> => {
  const { loss, gradients } = backward({ adapted: own, loss: crossEntropy, recompute }, batches)
  const tensors = [loss, ...tensorsOf(gradients)]
  const all = await Promise.all(tensors.map(async (tensor) => (await tensor.data()).slice() as Float32Array))
  tf.dispose(tensors)
  return all
}

/** The penalty's gradient of each A, B and λ. */
const penaltyGradients = async ({ trainable, penalty }: Adapted): Promise<ReadonlyArray<Float32Array>> => {
  const factors = trainable.pairs.flatMap(({ A, B }) => [A, B])
  const { value, gradients } = valueAndGradients(() => penalty!(trainable), factors)
  const all = await Promise.all(gradients.map(async (tensor) => (await tensor.data()).slice() as Float32Array))
  tf.dispose([value, ...gradients])
  return all
}

describeOnBoth(() => {
  for (const batches of [[randomBatch(4, 8, 1)], [randomBatch(4, 8, 1), randomBatch(2, 5, 2), randomBatch(1, 6, 3)]]) {
    const of = `${batches.length} ${batches.length === 1 ? "batch" : "batches"}`

    test(`${of}: the loss is that without the penalty, the gradients have it once`, () =>
      scoped(
        Effect.flatMap(adapted, (own) =>
          Effect.promise(async () => {
            const [loss, ...gradients] = await numbers(own, batches)
            const [plainLoss, ...plain] = await numbers({ ...own, penalty: null }, batches)
            expect(loss).toEqual(plainLoss!)
            const ofPenalty = await penaltyGradients(own)
            expect(ofPenalty.length).toBe(2 * own.sites.length)
            for (const [i, gradient] of gradients.entries()) {
              const expected = ofPenalty[i]
              if (expected === undefined) expect(gradient).toEqual(plain[i]!)
              else
                expectClose(
                  gradient.map((value, k) => value - plain[i]![k]!),
                  expected,
                  tolerance.gradient
                )
            }
          })
        )
      ))

    test(`${of}: activations computed again change no bit, and nothing is left`, () =>
      scoped(
        Effect.flatMap(adapted, (own) =>
          Effect.promise(async () => {
            const kept = await numbers(own, batches)
            await expectNoLeak(async () => expect(await numbers(own, batches, "blocks")).toEqual(kept))
          })
        )
      ))
  }
})

test("other methods have none", () =>
  scoped(
    Effect.gen(function* () {
      const own = yield* Effect.orDie(
        inject(yield* tinyBert("mean"), lora, {
          rank: 2,
          alpha: 4,
          scaling: "standard",
          init: { kind: "kaiming" },
          targets: "all-linear"
        })
      )
      expect(own.penalty).toBeNull()
      expect((yield* tinyAdapted("full")).penalty).toBeNull()
      expect((yield* tinyAdapted("none")).penalty).toBeNull()
    })
  ))
