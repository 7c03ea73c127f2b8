/**
 * Makes the network that knows upright digits: trained whole for two epochs of 7,000 images, then kept in
 * `../models/digits/`.
 *
 *   bun examples/digits/base.ts
 *
 * tfjs's own `fit` cannot do this on wasm, which has no gradient of a convolution's kernel there. Here a convolution is
 * a product over patches, and the method `full` trains its kernel as an adapter would be trained.
 */
import type * as tf from "@tensorflow/tfjs"
import { install } from "../../src/device/bun.ts"
import { adapt } from "../../src/layers-model/index.ts"
import { accuracyOf, inTask, readDigits, tensorsOf } from "./images.ts"
import { digitsNetwork, openBase, writeBase } from "./network.ts"

await install("wasm")
const digits = readDigits()
const model = digitsNetwork()
model.compile({ optimizer: "adam", loss: "sparseCategoricalCrossentropy" })

const whole = await adapt(model, { method: "full" })
const schedule = { kind: "linear", warmup: 0.1 } as const
const onEpochEnd = (epoch: number, logs?: tf.Logs) =>
  console.log(`epoch ${epoch + 1}: loss ${logs?.["loss"]?.toFixed(3)}`)
const { x, y } = tensorsOf(digits.train)
await whole.fit(x, y, {
  plan: { optimizer: { kind: "adamw", learningRate: 2e-3, schedule }, training: { epochs: 2 } },
  callbacks: { onEpochEnd }
})
await writeBase(await whole.model())

const base = await openBase()
for (const task of ["upright", "turned", "inverted"] as const) {
  const share = await accuracyOf((x) => base.predict(x) as tf.Tensor, inTask(digits.test, task))
  console.log(`${task}: ${(100 * share).toFixed(1)} % of ${digits.test.count} test images`)
}
