/**
 * The files of a `tf.LayersModel`: model.json with the topology and the weights' manifest, and the binary files that the manifest
 * names, beside it. https://www.tensorflow.org/js/guide/save_load
 */
import type { LayersModel } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import { isRecord, parseBoundedJson, readTextFile } from "../../files/index.ts"
import { ModelError } from "../model.ts"

type Topology = Record<string, unknown>

interface ModelFiles {
  readonly topology: Topology
  readonly specs: ReadonlyArray<tf.io.WeightsManifestEntry>
  /** absolute, in the order in which their bytes follow one another */
  readonly shards: ReadonlyArray<string>
}

const isGroup = (group: unknown): group is tf.io.WeightsManifestConfig[number] =>
  isRecord(group) && Array.isArray(group["paths"]) && Array.isArray(group["weights"])

/** The weight files that a model.json names, as absolute paths; empty where there is no such model.json. */
export const weightFiles = (source: string) =>
  Effect.map(readModelFiles(source), ({ shards }) => shards).pipe(Effect.orElseSucceed((): ReadonlyArray<string> => []))

const readModelFiles = (source: string): Effect.Effect<ModelFiles, ModelError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const fail = (problem: string) => new ModelError({ folder: source, problems: [problem] })
    const text = yield* readTextFile(source).pipe(
      Effect.mapError(({ missing, reason }) =>
        fail(missing ? `${reason}; expected the model.json of a tf.LayersModel` : reason)
      )
    )
    const parsed = parseBoundedJson(text)
    if ("problem" in parsed) return yield* fail(parsed.problem)
    const { format, modelTopology, weightsManifest } = isRecord(parsed.value) ? parsed.value : {}
    if (format === "graph-model") {
      const expected = "expected a tf.LayersModel (tensorflowjs_converter --output_format=tfjs_layers_model)"
      return yield* fail(`found a tf.GraphModel, whose operations cannot be trained; ${expected}`)
    }
    if (!isRecord(modelTopology) || !Array.isArray(weightsManifest) || !weightsManifest.every(isGroup)) {
      return yield* fail("found no modelTopology and weightsManifest; expected what tf.LayersModel's save() writes")
    }
    return {
      topology: modelTopology,
      specs: weightsManifest.flatMap(({ weights }) => weights),
      shards: weightsManifest.flatMap(({ paths }) => paths.map((name) => path.resolve(path.dirname(source), name)))
    }
  })

/** The topology with initializers that make zeros: nothing is computed for numbers that are not read. */
const withoutStarts = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(withoutStarts)
  if (!isRecord(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) =>
      /_?initializer$/i.test(key) && inner !== null
        ? [key, { class_name: "Zeros", config: {} }]
        : [key, withoutStarts(inner)]
    )
  )
}

type Opened = Effect.Effect<LayersModel, ModelError, FileSystem.FileSystem | Path.Path | Scope.Scope>

const opened = (source: string, load: (tfjs: typeof import("@tensorflow/tfjs")) => Promise<LayersModel>) =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: async () => {
        const tfjs = await import("@tensorflow/tfjs") // with its layers, which nothing else in the room needs
        await tf.ready()
        ;(tf.backend() as { firstUse?: boolean }).firstUse = false // else tfjs's own CPU backend advertises another on stderr
        return load(tfjs)
      },
      catch: (cause) => new ModelError({ folder: source, problems: [`cannot be built: ${String(cause)}`] })
    }),
    (model) => Effect.sync(() => model.dispose())
  )

/** The model with zeros for weights, as long as the scope: for its layers and shapes. No weight file is read. */
export const openTopology = (source: string): Opened =>
  Effect.flatMap(readModelFiles(source), ({ topology }) =>
    opened(source, ({ models }) =>
      models.modelFromJSON(withoutStarts(topology) as Parameters<typeof models.modelFromJSON>[0])
    )
  )

/** The model with its weights, as long as the scope. */
export const openLayersModel = (source: string): Opened =>
  Effect.gen(function* () {
    const { topology, specs, shards } = yield* readModelFiles(source)
    const parts = yield* readShards(source, shards)
    const weightData = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0))
    let at = 0
    for (const part of parts) {
      weightData.set(part, at)
      at += part.byteLength
    }
    const needed = specs.reduce((sum, spec) => sum + bytesOfSpec(spec), 0)
    if (weightData.byteLength !== needed) {
      const found = `found ${weightData.byteLength} bytes in ${shards.length} weight files`
      return yield* new ModelError({ folder: source, problems: [`${found}; expected ${needed}, as its manifest says`] })
    }
    const artifacts = { modelTopology: topology, weightSpecs: [...specs], weightData: weightData.buffer }
    return yield* opened(source, ({ loadLayersModel }) => loadLayersModel(tf.io.fromMemory(artifacts)))
  })

const bytesOfSpec = ({ shape, dtype, quantization }: tf.io.WeightsManifestEntry): number => {
  const held = quantization?.dtype ?? dtype
  const each = held === "uint8" || held === "bool" ? 1 : held === "uint16" || held === "float16" ? 2 : 4
  return each * tf.util.sizeFromShape(shape)
}

const readShards = (source: string, shards: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const results = yield* Effect.forEach(shards, (file) => Effect.result(fs.readFile(file)))
    const missing = shards.filter((_, i) => results[i]!._tag === "Failure")
    if (missing.length > 0) {
      const problems = missing.map((file) => `its weight file ${file} cannot be read; expected beside it`)
      return yield* new ModelError({ folder: source, problems })
    }
    return results.flatMap((result) => (result._tag === "Success" ? [result.success] : []))
  })
