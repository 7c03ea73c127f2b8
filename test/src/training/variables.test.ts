/** `variables`: optimizers of tfjs move an adapted model, by the steps of ours. */
import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { inject, lora } from "../../../adapters/index.ts"
import { fromLayersModel, type LayersNetwork } from "../../../src/models/layers-model/index.ts"
import { adamw } from "../../../src/optimizers/index.ts"
import { tensorsOf } from "../../../src/tensors/index.ts"
import { backward, crossEntropy, type Loss } from "../../../src/training/index.ts"
import { describeOn } from "../../backends.ts"

const STEPS = 20
const ADAM = { learningRate: 1e-3, b1: 0.9, b2: 0.999, eps: 1e-7 }
const ROWS = 2
const SIDE = 96

const mobilenet = (): Promise<tf.LayersModel> => {
  const file = (name: string) => readFileSync(new URL(`../../../examples/models/mobilenet/${name}`, import.meta.url))
  const { modelTopology, weightsManifest } = JSON.parse(file("model.json").toString())
  const weightSpecs = (weightsManifest as tf.io.WeightsManifestConfig).flatMap(({ weights }) => weights)
  const weightData = new Uint8Array(file("weights.bin")).buffer
  return tf.loadLayersModel(tf.io.fromMemory({ modelTopology, weightSpecs, weightData }))
}

describeOn("wasm", () => {
  test(
    "tf.train.adam().minimize over an adapted MobileNet is our own Adam, step by step",
    () =>
      Effect.gen(function* () {
        const base = yield* Effect.acquireRelease(Effect.promise(mobilenet), (model) =>
          Effect.sync(() => model.dispose())
        )
        const network = yield* fromLayersModel(base, { head: ["scores"] })
        const adapted = yield* inject(network, lora, { rank: 4 })
        const images = tf.randomUniform([ROWS, SIDE, SIDE, 3], 0, 1, "float32", 5)
        const labels = tf.tensor1d([3, 7], "int32")
        const batch = {
          size: ROWS,
          tokens: ROWS,
          inputs: [{ values: images.dataSync<"float32">().slice(), shape: images.shape, dtype: "float32" as const }],
          targets: [{ values: labels.dataSync<"int32">().slice(), shape: labels.shape, dtype: "int32" as const }]
        }
        const variables = adapted.variables()
        expect(variables.every((variable) => variable instanceof tf.Variable)).toBe(true)
        expect(adapted.variables()).toEqual(variables)
        const loss: Loss<LayersNetwork> = ([logits], [classes]) =>
          crossEntropy(logits as tf.Tensor2D, classes as tf.Tensor1D)
        const theirs = tf.train.adam(ADAM.learningRate, ADAM.b1, ADAM.b2, ADAM.eps)
        const ours = adamw(ADAM)
        let state = ours.init(adapted.trainable)
        const losses: Array<number> = []
        const worst: Array<number> = []
        for (let step = 0; step < STEPS; step++) {
          const before = variables.map((variable) => variable.clone())
          const own = backward({ adapted, loss }, [batch])
          const moved = ours.update(own.gradients, state, adapted.trainable)
          state = moved.state
          const cost = theirs.minimize(
            () => loss(adapted.forward([images], adapted.trainable), [labels]),
            true,
            variables
          )
          losses.push(cost!.dataSync()[0]!)
          expect(own.loss.dataSync()[0]!).toBeCloseTo(losses[step]!, 6)
          for (const [i, update] of tensorsOf(moved.updates).entries()) {
            const difference = tf.sub(tf.sub(variables[i]!, before[i]!), update)
            worst.push(tf.max(tf.abs(difference)).dataSync()[0]!)
          }
        }
        expect(worst.length).toBe(STEPS * variables.length)
        console.log(`largest difference of a step: ${Math.max(...worst)}; losses ${losses[0]} → ${losses.at(-1)}`)
        expect(Math.max(...worst)).toBeLessThan(1e-6)
        expect(losses.at(-1)!).toBeLessThan(0.8 * losses[0]!)
      }).pipe(Effect.scoped, Effect.runPromise),
    120_000
  )
})
