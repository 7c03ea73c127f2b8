/**
 * What is said of an adapted model is what tfjs says of the merged one: a convolutional model with batch normalisation,
 * trained.
 */
import { expect, test } from "bun:test"
import type { Scalar } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { evaluate, evaluateDataset, fit, fitDataset } from "../../../src/layers-model/fit/index.ts"
import { adapt } from "../../../src/layers-model/index.ts"
import { expectClose } from "../../setup.ts"
import { random } from "../device/on-wasm.ts"
import { datasetOf } from "./small-models.ts"

const SIZE = 8
const ROWS = 48

/** Pictures with a bright half: 0 top, 1 bottom, 2 left, 3 right. */
const pictures = () => {
  const next = random(4)
  const labels = Array.from({ length: ROWS }, (_, i) => i % 4)
  const bright = [
    (y: number) => y < SIZE / 2,
    (y: number) => y >= SIZE / 2,
    (_: number, x: number) => x < SIZE / 2,
    (_: number, x: number) => x >= SIZE / 2
  ]
  const images = labels.map((label) =>
    Array.from({ length: SIZE }, (_, y) =>
      Array.from({ length: SIZE }, (__, x) => [(bright[label]!(y, x) ? 1 : 0) + next() - 0.5])
    )
  )
  return { images, labels }
}

const convolutional = () => {
  const model = tf.sequential({
    layers: [
      tf.layers.conv2d({ inputShape: [SIZE, SIZE, 1], filters: 6, kernelSize: 3, activation: "relu" }),
      tf.layers.batchNormalization(),
      tf.layers.maxPooling2d({ poolSize: 2 }),
      tf.layers.flatten(),
      tf.layers.dense({ units: 4, activation: "softmax", name: "predictions" })
    ]
  })
  model.compile({ optimizer: "adam", loss: "sparseCategoricalCrossentropy", metrics: ["accuracy"] })
  return model
}

export const fittedNetwork = () => {
  test("fit, evaluate, merge, evaluate again", async () => {
    const { images, labels } = pictures()
    const model = convolutional()
    const [x, y] = [tf.tensor4d(images), tf.tensor2d(labels.map((label) => [label]))]
    const own = async (some: tf.LayersModel) =>
      Promise.all((some.evaluate(x, y) as Array<Scalar>).map(async (score) => (await score.data())[0]!))
    const base = await own(model)
    const adapted = await adapt(model, { rank: 1, alpha: 2, head: ["predictions"] })
    const plan = { optimizer: { kind: "lora-pro", learningRate: 0.02 } } as const
    // at the start it is the model itself
    expectClose(Object.values(await evaluate(adapted.adapted, x, y)), base, 1e-5)
    const history = await fit(adapted.adapted, x, y, { epochs: 6, batchSize: 12, plan })
    await fitDataset(adapted.adapted, datasetOf(images, labels, 12), { epochs: 6, plan })
    const scores = await evaluate(adapted.adapted, x, y)
    const merged = await adapted.model()
    // float32, two orders of the same sums
    expectClose(Object.values(scores), await own(merged), 1e-5)
    expectClose(
      Object.values(await evaluateDataset(adapted.adapted, datasetOf(images, labels, 32))),
      await own(merged),
      1e-5
    )
    expect(scores["acc"]!).toBeGreaterThan(0.9)
    expect(scores["loss"]!).toBeLessThan((history.history["loss"] as Array<number>)[0]! / 2)
    // the model that was adapted says what it said before, to the bit
    expect(await own(model)).toEqual(base)
    merged.dispose()
    await adapted.dispose()
    tf.dispose([x, y])
    model.dispose()
  })
}
