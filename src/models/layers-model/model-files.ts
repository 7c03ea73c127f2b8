/**
 * The files of a `tf.LayersModel`: model.json with the topology and the weights' manifest, and the binary files that the manifest
 * names, beside it. https://www.tensorflow.org/js/guide/save_load
 */

import * as tf from "@tensorflow/tfjs-core"
import type { LayersModel, layers } from "@tensorflow/tfjs-layers"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import { cut, isRecord, Listing, limit, messageOf, overLimit, wholeNumber } from "../../boundary/index.ts"
import { parseBoundedJson, platformReason, readExactly, readTextFile } from "../../files/index.ts"
import { ModelError, refusedUrl } from "../model.ts"
import { rowSize, shapesMade } from "./topology.ts"
import { topologyProblems } from "./topology-config.ts"
import { readManifest, type WeightManifest } from "./weight-manifest.ts"

type TfjsLayers = typeof import("@tensorflow/tfjs-layers")

interface ModelFiles extends Pick<WeightManifest, "specs" | "numbers" | "bytes"> {
  readonly topology: Readonly<Record<string, unknown>>
  /** of `userDefinedMetadata`, in which a model's author may state more */
  readonly range: string | undefined
  /** in the order in which their bytes follow one another */
  readonly files: ReadonlyArray<WeightFile>
}

interface WeightFile {
  /** absolute */
  readonly file: string
  readonly bytes: number
}

/** Returns the absolute paths of the weight files that a model.json names; empty if it does not exist. */
export const weightFiles = (source: string) =>
  Effect.map(readModelFiles(source), ({ files }) => files.map(({ file }) => file)).pipe(
    Effect.orElseSucceed((): ReadonlyArray<string> => [])
  )

/** Reads model.json, and asks of its weight files what they are and how large. */
const readModelFiles = (source: string): Effect.Effect<ModelFiles, ModelError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fail = (...problems: ReadonlyArray<string>) => new ModelError({ folder: source, problems })
    const refused = refusedUrl(source)
    if (refused !== undefined) return yield* refused
    const text = yield* readTextFile(source).pipe(
      Effect.mapError(({ missing, reason }) =>
        fail(missing ? `${reason}; expected the model.json of a tf.LayersModel` : reason)
      )
    )
    const parsed = parseBoundedJson(text)
    if ("problem" in parsed) return yield* fail(parsed.problem)
    const { format, modelTopology, weightsManifest, userDefinedMetadata } = isRecord(parsed.value) ? parsed.value : {}
    if (format === "graph-model") {
      const expected = "expected a tf.LayersModel (tensorflowjs_converter --output_format=tfjs_layers_model)"
      return yield* fail(`found a tf.GraphModel, whose operations cannot be trained; ${expected}`)
    }
    if (!isRecord(modelTopology) || !Array.isArray(weightsManifest)) {
      return yield* fail(
        "found no modelTopology and weightsManifest; expected a file written by tf.LayersModel's save()"
      )
    }
    const manifest = readManifest(weightsManifest)
    if (!("paths" in manifest)) return yield* fail(...manifest)
    const range = isRecord(userDefinedMetadata) ? userDefinedMetadata["range"] : undefined
    return {
      ...manifest,
      topology: modelTopology,
      range: typeof range === "string" ? range : undefined,
      files: yield* weightFilesOf(source, manifest)
    }
  })

/**
 * The files of a manifest: regular, in the model's folder, and together as long as their weights. A link may lead to another place in the
 * folder, or to where model.json is a link to as well: the Hub's cache has all files of a repository in one folder, and links to them.
 */
const weightFilesOf = (source: string, { paths, bytes }: WeightManifest) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const folder = path.dirname(path.resolve(source))
    const realPath = (file: string) => Effect.orElseSucceed(fs.realPath(file), () => file)
    const homes = [yield* realPath(folder), path.dirname(yield* realPath(source))]
    const problems = new Listing()
    const files: Array<WeightFile> = []
    for (const name of paths) {
      const file = path.join(folder, name)
      const info = yield* Effect.result(fs.stat(file))
      const real = yield* realPath(file)
      if (info._tag === "Failure")
        problems.add(`its weight file ${file} cannot be read; expected it next to the model's file`)
      else if (info.success.type !== "File") problems.add(`its weight file ${file} is not a regular file`)
      else if (!homes.some((home) => real.startsWith(path.join(home, path.sep)))) {
        problems.add(`its weight file ${file} is a link to ${real}; expected a file in the model's own folder`)
      } else files.push({ file, bytes: Number(info.success.size) })
    }
    const total = files.reduce((sum, file) => sum + file.bytes, 0)
    if (problems.isEmpty && total !== bytes) {
      problems.add(`found ${total} bytes in ${files.length} weight files; expected ${bytes}, as its manifest says`)
    }
    return problems.isEmpty ? files : yield* new ModelError({ folder: source, problems: problems.entries })
  })

/** What a layer's class makes its weights with. */
type AddWeight = (
  this: layers.Layer,
  name: string,
  shape: ReadonlyArray<number | null>,
  dtype: tf.DataType | undefined,
  initializer: unknown,
  ...rest: ReadonlyArray<unknown>
) => { readonly dispose: () => void }

/**
 * The model, with zeros for weights: nothing is computed for numbers that are not read. It gets no more of them than its manifest has: a
 * layer's sizes are numbers of a file, and what they amount to only tfjs knows, at the moment when it makes the weight.
 */
const built = async ({ layers, models, initializers }: TfjsLayers, { topology, range, numbers }: ModelFiles) => {
  const problems = topologyProblems(topology)
  if (problems.length > 0) throw new Refused(problems)
  const prototype = layers.Layer.prototype
  const addWeight: AddWeight = Reflect.get(prototype, "addWeight")
  const made: Array<{ readonly dispose: () => void }> = []
  let left = numbers
  const bounded: AddWeight = function (name, shape, dtype, _, ...rest) {
    left -= shape.reduce<number>((product, n) => product * (isSize(n) ? n : Number.NaN), 1)
    if (!(left >= 0)) {
      const need = `layer ${this.name} needs a ${name} of shape [${shape.join(", ")}]`
      throw new Refused([`${need}; its manifest has ${wholeNumber(numbers)} numbers for all layers`])
    }
    const weight = addWeight.call(this, name, shape, dtype, initializers.zeros(), ...rest)
    made.push(weight)
    return weight
  }
  try {
    const model = await whileIn(prototype, bounded, () =>
      models.modelFromJSON({ modelTopology: topology } as Parameters<typeof models.modelFromJSON>[0])
    )
    checkSizes(model)
    if (range !== undefined) model.setUserDefinedMetadata({ range })
    return model
  } catch (error) {
    for (const weight of made) weight.dispose()
    throw error
  }
}

/** tfjs makes all layers before its first await. */
const whileIn = <T>(prototype: object, addWeight: AddWeight, make: () => Promise<T>): Promise<T> => {
  const original: unknown = Reflect.get(prototype, "addWeight")
  Reflect.set(prototype, "addWeight", addWeight)
  try {
    return make()
  } finally {
    Reflect.set(prototype, "addWeight", original)
  }
}

class Refused extends Error {
  readonly problems: ReadonlyArray<string>
  constructor(problems: ReadonlyArray<string>) {
    super(problems[0])
    this.problems = problems
  }
}

const isSize = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0

/** A layer without weights may repeat, pad or enlarge as often as a number of its config says. */
const checkSizes = (model: LayersModel): void => {
  let left = limit("layers-model-row")
  for (const { layer, shape } of shapesMade(model)) {
    const shapeText = `layer ${layer} makes the shape [${shape.map((n) => n ?? "?").join(", ")}]`
    if (!shape.every((n) => n === null || isSize(n))) throw new Refused([`${shapeText}; expected sizes`])
    left -= rowSize(shape)
    if (left >= 0) continue
    throw new Refused([
      `${shapeText}; one row through all layers has more numbers than ${overLimit("layers-model-row")}`
    ])
  }
}

/** Returns the first line of tfjs's error, which states the problem; the others suggest causes in the user's code. */
export const reasons = (cause: unknown, done: "built" | "computed" = "built"): ReadonlyArray<string> => {
  if (cause instanceof Refused) return cause.problems
  const message = messageOf(cause)
  return [`cannot be ${done} by tfjs: ${cut(message.split("\n")[0]!)}`]
}

/** tfjs's layers, and a backend for models that are opened before a device is. Layers of a program's own are registered in the installed package. */
const loadTfjsLayers = async (): Promise<TfjsLayers> => {
  await import("@tensorflow/tfjs-backend-cpu")
  return import("@tensorflow/tfjs-layers").catch(() => import("./included-layers.ts"))
}

type Opened = Effect.Effect<LayersModel, ModelError, FileSystem.FileSystem | Path.Path | Scope.Scope>

const opened = (source: string, load: (tfjs: TfjsLayers) => Promise<LayersModel>) =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: async () => {
        const tfjs = await loadTfjsLayers()
        await tf.ready()
        ;(tf.backend() as { firstUse?: boolean }).firstUse = false // else tfjs's own CPU backend advertises another on stderr
        return load(tfjs)
      },
      catch: (cause) => new ModelError({ folder: source, problems: reasons(cause) })
    }),
    (model) => Effect.sync(() => model.dispose())
  )

/** Opens a model with zeros for weights, for its layers and shapes, for the lifetime of the scope. Reads no weight file. */
export const openTopology = (source: string): Opened =>
  Effect.flatMap(readModelFiles(source), (files) => opened(source, (tfjs) => built(tfjs, files)))

/** Opens a model with its weights, for the lifetime of the scope. */
export const openLayersModel = (source: string): Opened =>
  Effect.gen(function* () {
    const files = yield* readModelFiles(source)
    const data = yield* readWeights(source, files)
    return yield* opened(source, async (tfjs) => {
      const model = await built(tfjs, files)
      const weights = tf.io.decodeWeights(data, [...files.specs])
      try {
        model.loadWeights(weights)
        return model
      } catch (error) {
        model.dispose()
        throw error
      } finally {
        tf.dispose(weights)
      }
    })
  })

const readWeights = (source: string, { files, bytes }: ModelFiles) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const data = new Uint8Array(bytes)
    let at = 0
    for (const { file, bytes } of files) {
      const part = yield* Effect.scoped(Effect.flatMap(fs.open(file), (handle) => readExactly(handle, 0, bytes)))
      data.set(part, at)
      at += bytes
    }
    return data.buffer
  }).pipe(
    Effect.mapError((error) => {
      const problem = `its weight files cannot be read: ${platformReason(error)}`
      return new ModelError({ folder: source, problems: [problem] })
    })
  )
