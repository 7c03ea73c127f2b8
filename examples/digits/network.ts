/**
 * The network of this example, as anyone would write it in tfjs, and its files: `../models/digits/` has the one that
 * knows upright digits (`base.ts` makes it), 206,922 numbers in half precision, which `tf.loadLayersModel` reads from a
 * server as they are.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import * as tf from "@tensorflow/tfjs"
import type { Models, Training } from "../../src/index.ts"
import { toFloat16 } from "../../src/numbers/halves.ts"

const folder = new URL("../models/digits/", import.meta.url)

/** Images [n, 28, 28, 1] → probabilities [n, 10]. */
export const digitsNetwork = (): tf.LayersModel => {
  const start = (seed: number) => ({ kernelInitializer: tf.initializers.heNormal({ seed }) })
  const filters = (filters: number, seed: number) => ({
    filters,
    kernelSize: 3,
    padding: "same" as const,
    activation: "relu" as const,
    ...start(seed)
  })
  return tf.sequential({
    name: "digits",
    layers: [
      tf.layers.conv2d({ name: "conv1", inputShape: [28, 28, 1], ...filters(16, 1) }),
      tf.layers.maxPooling2d({ name: "pool1", poolSize: 2 }),
      tf.layers.conv2d({ name: "conv2", ...filters(32, 2) }),
      tf.layers.maxPooling2d({ name: "pool2", poolSize: 2 }),
      tf.layers.flatten({ name: "flat" }),
      tf.layers.dense({ name: "hidden", units: 128, activation: "relu", ...start(3) }),
      tf.layers.dense({ name: "output", units: 10, activation: "softmax", ...start(4) })
    ]
  })
}

/**
 * Mean of −log p(label) for a network that ends in probabilities [n, classes], as tfjs's classifiers do; labels int32
 * [n].
 */
export const crossEntropy: Training.Loss<Models.LayersNetwork> = ([probabilities], [labels]) => {
  const classes = probabilities!.shape.at(-1)!
  return tf.mean(tf.metrics.categoricalCrossentropy(tf.oneHot(labels as tf.Tensor1D, classes), probabilities!))
}

const halves = (weights: Float32Array): Uint8Array => {
  const bits = new Uint16Array(weights.length)
  toFloat16(weights, bits)
  return new Uint8Array(bits.buffer)
}

/** Writes `model.json` and `weights.bin`, as the tfjs converter does with `--quantize_float16`. */
export const writeBase = async (model: tf.LayersModel): Promise<void> => {
  mkdirSync(folder, { recursive: true })
  const save = async ({ modelTopology, weightSpecs, weightData }: tf.io.ModelArtifacts) => {
    const weights = weightSpecs!.map((spec) => ({
      ...spec,
      quantization: { dtype: "float16", original_dtype: "float32" }
    }))
    const manifest = { format: "layers-model", modelTopology, weightsManifest: [{ paths: ["weights.bin"], weights }] }
    writeFileSync(new URL("model.json", folder), JSON.stringify(manifest))
    writeFileSync(new URL("weights.bin", folder), halves(new Float32Array(weightData as ArrayBuffer)))
    return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: "JSON" as const } }
  }
  await model.save(tf.io.withSaveHandler(save))
}

/** The model that knows upright digits; its owner disposes it. */
export const openBase = (): Promise<tf.LayersModel> => {
  const { modelTopology, weightsManifest } = JSON.parse(readFileSync(new URL("model.json", folder), "utf8"))
  const bytes = readFileSync(new URL("weights.bin", folder))
  const weightData = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer
  const [{ weights: weightSpecs }] = weightsManifest
  return tf.loadLayersModel(tf.io.fromMemory({ modelTopology, weightSpecs, weightData }))
}
