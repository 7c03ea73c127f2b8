/** What belongs to networks: model.json, adapters, run folders, checkpoints. */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { readPeftFile, restoredAdapter } from "../../../src/layers-model/index.ts"
import { describeLayersClassifier } from "../../../src/models/layers-model/classifier.ts"
import { fromLayersModel } from "../../../src/models/layers-model/from-layers-model.ts"
import { openLayersModel } from "../../../src/models/layers-model/model-files.ts"
import { readCheckpoint, restoreCheckpoint } from "../../../src/output/checkpoint-read.ts"
import { takeSnapshot, writeCheckpoint } from "../../../src/output/checkpoint-write.ts"
import { context, takeSteps, toySession } from "../../src/output/toy-session.ts"
import { loraProFull } from "../../src/training/optimizers.ts"
import { among, Bytes, list, type Made, object, one, optional, seldom, size, sound, text } from "../grammar.ts"
import { jsonText, mutateJson } from "../mutate.ts"
import type { Target } from "../target.ts"
import { definitions, ofNode } from "./plan-schema.ts"

await tf.setBackend("cpu")

const initializer = sound(() => ({ class_name: "GlorotUniform", config: {} }))
const named = (random: Parameters<Made<unknown>>[0], i: number) => seldom(30, text, () => `layer_${i}`)(random)

/** The usual layers are two dense ones of four units, whose weights are there. */
const layer =
  (i: number): Made<unknown> =>
  (random) => {
    const first = i === 0 ? { batch_input_shape: sound(() => [null, seldom(30, size, () => 4)(random)])(random) } : {}
    const config = object({
      name: () => named(random, i),
      units: sound(() => seldom(60, size, () => 4)(random)),
      activation: seldom(20, text, among("linear", "relu", "softmax", "tanh")),
      use_bias: seldom(20, among(false), () => true),
      kernel_initializer: initializer,
      bias_initializer: initializer,
      rate: optional(() => 0.1),
      filters: optional(size, 0.2),
      kernel_size: optional(list(size, 3), 0.2),
      input_dim: optional(size, 0.2),
      output_dim: optional(size, 0.2),
      n: optional(size, 0.2),
      target_shape: optional(list(size, 3), 0.2),
      trainable: () => true
    })(random)
    const kind = seldom(
      12,
      among(
        "Embedding",
        "Conv1D",
        "RepeatVector",
        "Reshape",
        "ZeroPadding2D",
        "LSTM",
        "Flatten",
        "Lambda",
        "__proto__",
        "Nope",
        "Sequential"
      ),
      () => "Dense"
    )(random)
    return { class_name: kind, config: { ...config, ...first } }
  }

const topology: Made<unknown> = (random) => {
  const layers = Array.from({ length: seldom(40, among(0, 1, 3, 300), () => 2)(random) }, (_, i) => layer(i)(random))
  const model = { class_name: "Sequential", config: sound(() => ({ name: "s", layers }))(random) }
  return { keras_version: "tfjs-layers 4.22.0", backend: "tensor_flow.js", model_config: sound(() => model)(random) }
}

const path = seldom(
  30,
  among("/dev/zero", "/dev/urandom", "../weights.bin", "/etc/passwd", "", ".", "\u0000", "https://example.invalid/x"),
  among("weights.bin")
)

/** The weights that the usual layers have, and how many bytes they are. */
const weights: Made<{ readonly specs: ReadonlyArray<unknown>; readonly bytes: number }> = (random) => {
  const shapes = seldom(15, list(list(among(4, 1, 2), 2), 4), () => [[4, 4], [4], [4, 4], [4]])(random)
  const specs = shapes.map((shape, i) =>
    object({
      name: seldom(60, text, () => `layer_${i >> 1}/${i % 2 === 0 ? "kernel" : "bias"}`),
      shape: sound(() => shape),
      dtype: sound(seldom(40, among("int32", "uint8", "string", "complex64"), () => "float32")),
      quantization: optional(
        sound(object({ dtype: among("uint8", "uint16", "float16"), min: size, scale: size })),
        0.02
      )
    })(random)
  )
  return { specs, bytes: shapes.reduce((sum, shape) => sum + 4 * shape.reduce((product, n) => product * n, 1), 0) }
}

export const layersModels: Target = (folder) => {
  mkdirSync(join(folder, "model"))
  writeFileSync(join(folder, "weights.bin"), new Uint8Array(64))
  const file = join(folder, "model", "model.json")
  return (random) => {
    const { specs, bytes } = weights(random)
    writeFileSync(
      join(folder, "model", "weights.bin"),
      new Uint8Array(seldom(20, size, () => bytes)(random) === bytes ? bytes : 8)
    )
    const paths = seldom<unknown>(60, list(path, 10_000), (own) => [path(own)])
    const model = object({
      format: optional(among("layers-model")),
      modelTopology: sound(topology),
      weightsManifest: sound((own) => [object({ paths: sound(paths), weights: sound(() => specs) })(own)])
    })
    writeFileSync(file, jsonText(model(random), random))
    return Effect.gen(function* () {
      yield* describeLayersClassifier(file, { head: [] })
      yield* openLayersModel(file)
    })
  }
}

/** A tensor of a safetensors file, whose numbers are zeros. */
type Entries = ReadonlyArray<readonly [string, ReadonlyArray<number>]>

const safetensorsBytes = (entries: Entries, metadata: unknown, random: Parameters<Made<unknown>>[0]): Uint8Array => {
  const header: Record<string, unknown> = { __metadata__: metadata }
  let at = 0
  for (const [name, shape] of entries) {
    const changed = seldom(150, list(among(0, 1, 2, 3, 8, 100), 3), () => shape)(random)
    const dtype = seldom(100, among("F16", "I32", "I64", "BOOL"), () => "F32")(random)
    const each = { F16: 2, I64: 8, BOOL: 1 }[dtype] ?? 4
    const length = each * changed.reduce((product, n) => product * n, 1)
    header[seldom(150, text, () => name)(random)] = {
      dtype,
      shape: changed,
      data_offsets: [at, at + length]
    }
    at += length
  }
  const written = new TextEncoder().encode(JSON.stringify(header))
  const body = new Uint8Array(at)
  if (random() < 0.1) body.fill(0xff) // NaN
  return new Bytes().u64(written.length).add(written, body).whole()
}

/** Adapters as they come from elsewhere: a record and tensors, over a small LayersModel. */
export const adapters: Target = (folder) => {
  const file = join(folder, "adapter.safetensors")
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ units: 4, inputShape: [4], name: "one", kernelInitializer: "ones" }),
      tf.layers.dense({ units: 2, name: "two", kernelInitializer: "ones" })
    ]
  })
  const usual = { method: "lora", rank: 2, alpha: 4, scaling: "standard", init: { kind: "kaiming" }, targets: ["**"] }
  const config = one(() => usual, ofNode(definitions["adapter"]!, "adapter"))
  const record = object({
    format: seldom(60, size, () => 1),
    adapter: sound(config),
    seed: sound(size),
    head: seldom<unknown>(20, among<unknown>(["two"], ["__proto__"]), () => []),
    base: sound(object({ name: text, weights: () => "0123456789abcdef" }))
  })
  const start = "base_model.model."
  const entries: Entries = [
    [`${start}one.lora_A.weight`, [2, 4]],
    [`${start}one.lora_B.weight`, [4, 2]],
    [`${start}two.lora_A.weight`, [2, 4]],
    [`${start}two.lora_B.weight`, [2, 2]]
  ]
  return (random) => {
    const kept = entries.filter(() => random() < 0.95)
    const key = seldom(30, text, () => "tfjs-lora-pro")(random)
    const bytes = safetensorsBytes(kept, { format: "pt", [key]: jsonText(record(random), random) }, random)
    return Effect.gen(function* () {
      writeFileSync(file, bytes)
      const saved = yield* readPeftFile(file)
      const network = yield* fromLayersModel(model)
      const held = yield* restoredAdapter(network, saved, "adapter", { anyBase: true })
      yield* Effect.promise(held.close)
    })
  }
}

const sha256 = (bytes: Uint8Array): string => new Bun.CryptoHasher("sha256").update(bytes).digest("hex")

/** Checkpoints whose sums are right and whose content is not: a record of JSON, and tensors of other names and shapes. */
export const checkpoints: Target = (folder) => {
  const written = Effect.gen(function* () {
    const session = yield* toySession(loraProFull, "lora")
    yield* takeSteps(session, 2)
    return yield* writeCheckpoint(yield* takeSnapshot(session, context), folder)
  }).pipe(Effect.scoped)
  let seed: { readonly record: unknown; readonly header: Record<string, { shape: Array<number> }> } | undefined
  const place = join(folder, "step-00000002")
  return (random) =>
    Effect.gen(function* () {
      if (seed === undefined) {
        yield* written
        const [name] = readdirSync(folder)
        if (name !== "step-00000002") cpSync(join(folder, name!), place, { recursive: true })
        const bytes = readFileSync(join(place, "state.safetensors"))
        const length = Number(bytes.readBigUInt64LE(0))
        seed = {
          record: JSON.parse(readFileSync(join(place, "state.json"), "utf8")),
          header: JSON.parse(bytes.subarray(8, 8 + length).toString())
        }
      }
      const { header, record } = seed
      const entries = Object.entries(header).flatMap(([name, { shape }]) =>
        name === "__metadata__" || random() < 0.001 ? [] : [[name, shape] as const]
      )
      const tensors = safetensorsBytes(
        random() < 0.03 ? entries.toReversed() : entries,
        header["__metadata__"] ?? {},
        random
      )
      const state = new TextEncoder().encode(random() < 0.5 ? JSON.stringify(record) : mutateJson([record], random))
      writeFileSync(join(place, "state.safetensors"), tensors)
      writeFileSync(join(place, "state.json"), state)
      writeFileSync(join(place, "SHA256SUMS"), `${sha256(state)}  state.json\n${sha256(tensors)}  state.safetensors\n`)
      const found = yield* readCheckpoint(place)
      const session = yield* toySession(loraProFull, "lora")
      yield* restoreCheckpoint(session, found)
      yield* takeSteps(session, 1)
    })
}
