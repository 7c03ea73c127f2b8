/**
 * What a tfjs user does today, in tfjs alone: MobileNetV2 as it is makes features of every image once, and a Dense layer over them is
 * trained with `fit` and Adam.
 *
 *   bun bench/fashion/transfer.ts [--rates 0.001,0.003,0.01] [--epochs 10,30] [--seeds 10,11,12,13,14]
 *
 * Of the rates and epochs the best by the validation rows' loss is taken, with seed 0, and scored on the test rows with the other seeds.
 */
import { readFileSync } from "node:fs"
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import * as tf from "@tensorflow/tfjs"
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm"
import { interval } from "../digits/statistics.ts"
import { type Rows, readRows, SIDE } from "./rows.ts"

const { values } = parseArgs({
  options: {
    rates: { type: "string", default: "0.001,0.003,0.01" },
    epochs: { type: "string", default: "2,10,30" },
    seeds: { type: "string", default: "10,11,12,13,14" }
  }
})
const numbers = (text: string): ReadonlyArray<number> => text.split(",").map(Number)
const folder = new URL("../../examples/models/mobilenet/", import.meta.url)
const CLASSES = 10
const TOGETHER = 50

setWasmPaths(`${dirname(fileURLToPath(import.meta.resolve("@tensorflow/tfjs-backend-wasm")))}/`)
await tf.setBackend("wasm")

const seconds = (since: number) => (performance.now() - since) / 1000

/** The model up to its last pooling. */
const openBody = async () => {
  const { modelTopology, weightsManifest } = JSON.parse(readFileSync(new URL("model.json", folder), "utf8"))
  const weightData = new Uint8Array(readFileSync(new URL("weights.bin", folder))).buffer
  const [{ weights: weightSpecs }] = weightsManifest
  const model = await tf.loadLayersModel(tf.io.fromMemory({ modelTopology, weightSpecs, weightData }))
  return tf.model({ inputs: model.inputs, outputs: model.getLayer("pooled").output as tf.SymbolicTensor })
}

const body = await openBody()
const featuresOf = ({ pixels, count }: Rows) =>
  tf.tidy(() => {
    const parts = Array.from({ length: count / TOGETHER }, (_, i) => {
      const row = SIDE * SIDE * 3
      const part = pixels.subarray(i * TOGETHER * row, (i + 1) * TOGETHER * row)
      return tf.tidy(() => body.predict(tf.tensor4d(part, [TOGETHER, SIDE, SIDE, 3])) as tf.Tensor2D)
    })
    return tf.concat(parts)
  })

const rows = await readRows()
const began = performance.now()
const prepared = (split: Rows) => ({
  x: featuresOf(split),
  y: tf.oneHot(tf.tensor1d(split.labels, "int32"), CLASSES)
})
const train = prepared(rows.train)
await train.x.data()
const featuresSeconds = seconds(began)
const [validation, test] = [prepared(rows.validation), prepared(rows.test)]

/** Loss and accuracy on validation and test rows. */
const trained = async (rate: number, epochs: number, seed: number) => {
  const started = tf.initializers.randomNormal({ stddev: 0.02, seed })
  const units = { units: CLASSES, activation: "softmax", kernelInitializer: started } as const
  const head = tf.sequential({ layers: [tf.layers.dense({ inputShape: [train.x.shape[1]], ...units })] })
  head.compile({ optimizer: tf.train.adam(rate), loss: "categoricalCrossentropy", metrics: ["accuracy"] })
  const began = performance.now()
  await head.fit(train.x, train.y, { epochs, batchSize: 32, shuffle: true, verbose: 0 })
  const took = seconds(began)
  const scored = async ({ x, y }: typeof test) => {
    const [loss, accuracy] = head.evaluate(x, y) as [tf.Scalar, tf.Scalar]
    return { loss: (await loss.data())[0]!, accuracy: 100 * (await accuracy.data())[0]! }
  }
  return { rate, epochs, seed, seconds: took, validation: await scored(validation), test: await scored(test) }
}

const grid = []
for (const rate of numbers(values.rates)) {
  for (const epochs of numbers(values.epochs)) grid.push(await trained(rate, epochs, 0))
}
for (const run of grid) console.log(JSON.stringify(run))
const best = grid.toSorted((a, b) => a.validation.loss - b.validation.loss)[0]!
const runs = []
for (const seed of numbers(values.seeds)) runs.push(await trained(best.rate, best.epochs, seed))
const accuracies = runs.map(({ test }) => test.accuracy)
const losses = runs.map(({ test }) => test.loss)
console.log(
  `rate ${best.rate}, ${best.epochs} epochs: accuracy ${interval(accuracies)} %, loss ${(losses.reduce((a, b) => a + b) / losses.length).toFixed(3)}; ` +
    `features of the training rows in ${featuresSeconds.toFixed(1)} s, head in ${runs[0]!.seconds.toFixed(1)} s`
)
for (const [split, { count, seconds }] of Object.entries(rows)) {
  console.log(
    `${split}: ${count} images made ready in ${seconds.toFixed(2)} s, ${Math.round(count / seconds)} a second`
  )
}
