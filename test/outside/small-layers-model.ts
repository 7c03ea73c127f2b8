/** A small tf.LayersModel as its files, for tests that change something in them. */
import * as tf from "@tensorflow/tfjs"

export interface Group {
  paths: Array<unknown>
  weights: Array<Record<string, unknown>>
}

export interface ModelJson {
  // biome-ignore lint/suspicious/noExplicitAny: what is written into it is wrong on purpose
  modelTopology: any
  weightsManifest: [Group, ...Array<unknown>]
}

/** Four numbers to three classes: layers "numbers", "hidden" and "scores"; weights of 204 bytes in weights.bin. */
export const smallModel = (): tf.LayersModel => {
  const input = tf.input({ shape: [4], name: "numbers" })
  const hidden = tf.layers.dense({ units: 6, activation: "relu", name: "hidden" }).apply(input)
  const scores = tf.layers.dense({ units: 3, activation: "softmax", name: "scores" }).apply(hidden)
  return tf.model({ inputs: input, outputs: scores as tf.SymbolicTensor, name: "small" })
}

export const filesOf = async (model: tf.LayersModel) => {
  let artifacts: tf.io.ModelArtifacts = {}
  const keep = async (saved: tf.io.ModelArtifacts) => {
    artifacts = saved
    return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: "JSON" as const } }
  }
  await model.save(tf.io.withSaveHandler(keep))
  const { modelTopology, weightSpecs, weightData } = artifacts
  const weightsManifest = [{ paths: ["weights.bin"], weights: weightSpecs }]
  const json: ModelJson = JSON.parse(JSON.stringify({ modelTopology, weightsManifest }))
  return { json, bytes: new Uint8Array(weightData as ArrayBuffer) }
}
