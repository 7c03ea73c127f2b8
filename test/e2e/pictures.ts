/** What tests of runs over rows of numbers share: small grey pictures, networks for them as `model.save` writes them, and plans. */
import { beforeAll } from "bun:test"
import { writeFileSync } from "node:fs"
import * as tf from "@tensorflow/tfjs"
import { jsonLines, type Plan, TIMEOUT, type Workspace } from "./fixtures.ts"

const SIDE = 6
export const names = ["dark", "light", "striped"] as const

/** Small grey pictures whose class is seen at once; the same ones every time. */
export const picture = (i: number): ReadonlyArray<ReadonlyArray<number>> =>
  Array.from({ length: SIDE }, (_, y) =>
    Array.from({ length: SIDE }, (_, x) => {
      const noise = (i * 31 + y * 17 + x * 7) % 40
      return [20, 200, y % 2 === 0 ? 20 : 200][i % 3]! + noise
    })
  )
export const rows = (count: number, offset = 0) =>
  Array.from({ length: count }, (_, n) => ({ pixels: picture(n + offset), kind: names[(n + offset) % 3] }))

type Last = { readonly units: number; readonly activation: "softmax" | "linear" | "sigmoid" | "relu" }

export const network = (last: Last, inputShape = [SIDE, SIDE, 1]) => {
  const started = (seed: number) => ({ kernelInitializer: tf.initializers.heNormal({ seed }) })
  return tf.sequential({
    name: "pictures",
    layers: [
      tf.layers.conv2d({
        name: "conv",
        inputShape,
        filters: 4,
        kernelSize: 3,
        activation: "relu",
        ...started(1)
      }),
      tf.layers.batchNormalization({ name: "norm" }),
      tf.layers.flatten({ name: "flat" }),
      tf.layers.dense({ name: "hidden", units: 16, activation: "relu", ...started(2) }),
      tf.layers.dense({ name: "scores", ...last, ...started(3) })
    ]
  })
}

export const plan = (sections: Record<string, unknown> = {}): Plan => ({
  seed: 1,
  model: { source: "model/model.json", head: ["scores"] },
  data: {
    format: "arrays",
    train: "pictures.jsonl",
    validation: "validation-pictures.jsonl",
    test: "test-pictures.jsonl",
    input: "pixels",
    label: "kind",
    scale: 1 / 255
  },
  adapter: { method: "lora", rank: 2, alpha: 4 },
  optimizer: { kind: "lora-pro", learningRate: 2e-2 },
  training: { steps: 8, batchSize: 5, accumulate: 2, evaluateEvery: 3 },
  output: { checkpointEvery: 2, keepCheckpoints: 2 },
  ...sections
})

export const inputs = (count: number) =>
  tf.tensor4d(
    rows(count)
      .flatMap(({ pixels }) => pixels.flat())
      .map((v) => v / 255),
    [count, SIDE, SIDE, 1]
  )

/** Writes a model as `model.save` does, its weights in two files. */
export const writeModel = async (w: Workspace, folder: string, model: tf.LayersModel, { shards = 2 } = {}) => {
  const save = async ({ modelTopology, weightSpecs, weightData }: tf.io.ModelArtifacts) => {
    const bytes = new Uint8Array(tf.io.CompositeArrayBuffer.join(weightData as ArrayBuffer))
    const paths = Array.from({ length: shards }, (_, i) => `group1-shard${i + 1}of${shards}.bin`)
    const weightsManifest = [{ paths, weights: weightSpecs }]
    w.write(`${folder}/model.json`, { format: "layers-model", modelTopology, weightsManifest })
    const size = Math.ceil(bytes.length / shards)
    for (const [i, name] of paths.entries()) {
      writeFileSync(w.path(`${folder}/${name}`), bytes.subarray(i * size, (i + 1) * size))
    }
    return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: "JSON" as const } }
  }
  await model.save(tf.io.withSaveHandler(save))
}

/** The model in a folder, as tfjs loads it. */
export const openModel = (w: Workspace, folder: string) => {
  const { modelTopology, weightsManifest } = w.json(`${folder}/model.json`) as never as {
    readonly modelTopology: object
    readonly weightsManifest: ReadonlyArray<{ readonly paths: ReadonlyArray<string>; readonly weights: Array<never> }>
  }
  const [group] = weightsManifest
  const parts = group!.paths.map((name) => Buffer.from(w.bytes(`${folder}/${name}`)))
  const weightData = new Uint8Array(Buffer.concat(parts)).buffer
  return tf.loadLayersModel(tf.io.fromMemory({ modelTopology, weightSpecs: group!.weights, weightData }))
}

/** Writes models and rows before the tests of a file. */
export const pictures = (w: Workspace) => {
  beforeAll(async () => {
    await tf.setBackend("cpu")
    await writeModel(w, "model", network({ units: 3, activation: "softmax" }))
    await writeModel(w, "logits", network({ units: 3, activation: "linear" }))
    await writeModel(w, "two", network({ units: 1, activation: "sigmoid" }), { shards: 1 })
    await writeModel(w, "odd", network({ units: 3, activation: "relu" }))
    w.write("pictures.jsonl", jsonLines(rows(22)))
    w.write("validation-pictures.jsonl", jsonLines(rows(9, 22)))
    w.write("test-pictures.jsonl", jsonLines(rows(12, 31)))
    w.write("pair.jsonl", jsonLines(rows(30).filter(({ kind }) => kind !== "striped")))
  }, TIMEOUT)

  return { baseOf: (folder: string) => openModel(w, folder) }
}
