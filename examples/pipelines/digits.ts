/**
 * Images: a convolutional `tf.LayersModel` that knows upright digits learns them turned by 90°, by LoRA-Pro on its
 * convolutions and dense layers alike. How much of the full gradient the factors follow is shown at the start and at
 * the end.
 *
 *   bun examples/pipelines/digits.ts [steps]
 */

import type * as tf from "@tensorflow/tfjs"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import {
  chain,
  Device,
  inject,
  linear,
  lora,
  loraPro,
  Models,
  scaleByAdam,
  scaleByLearningRate,
  Training
} from "../../src/index.ts"
import { accuracyOf, shuffled, taskOf } from "../digits/images.ts"
import { crossEntropy, openBase } from "../digits/network.ts"

const steps = Number(process.argv[2] ?? 200)
const percent = (share: number | null) => `${(100 * share!).toFixed(1)} %`

const program = Effect.gen(function* () {
  const base = yield* Effect.acquireRelease(Effect.promise(openBase), (model) => Effect.sync(() => model.dispose()))
  const network = yield* Models.fromLayersModel(base)
  const adapted = yield* inject(network, lora, {
    rank: 4,
    alpha: 8,
    scaling: "standard",
    init: { kind: "kaiming" },
    targets: "all-linear",
    seed: 0
  })
  const session = yield* Training.openSession(adapted, {
    optimizer: chain(
      loraPro({ inner: scaleByAdam() }),
      scaleByLearningRate(linear({ peak: 8e-3, steps, warmup: Math.round(steps / 10) }))
    ),
    loss: crossEntropy
  })
  const turned = taskOf("turned")
  const upright = taskOf("upright")
  const batches = shuffled(turned.train, 32, 0)
  const predict = (x: tf.Tensor) => adapted.forward([x], adapted.trainable)[0]!
  const tell = Effect.gen(function* () {
    const test = yield* Effect.promise(() => accuracyOf(predict, turned.test))
    const known = yield* Effect.promise(() => accuracyOf(predict, upright.test))
    const { mean } = yield* Training.diagnose(session, [shuffled(turned.train, 32, 1).next().value!])
    yield* Console.log(`turned digits ${percent(test)} right, upright ${percent(known)}`)
    const { method, best } = mean
    yield* Console.log(
      `of the full gradient ${percent(method.discrepancy)} is missed, ${percent(best.discrepancy)} at best`
    )
  })

  yield* tell
  yield* Stream.fromIterable(batches).pipe(
    Training.sessionSteps(session),
    Stream.take(steps),
    Stream.filter(({ step }) => step <= 2 || step % 20 === 0),
    Stream.runForEach(({ step, loss }) => Console.log(`step ${step}: loss ${loss.toFixed(3)}`))
  )
  yield* tell
})

await program.pipe(Effect.scoped, Effect.provide(Device.auto), Effect.runPromise)
