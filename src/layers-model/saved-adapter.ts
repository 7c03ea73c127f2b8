/**
 * An adapter on the host, independent of its storage: its record, and its tensors by their names in the file.
 *
 * A loaded adapter is checked against the model before any value is used: names, shapes, finite values, and the fingerprint of the
 * base's weights.
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type { PeftLayout } from "../../adapters/index.ts"
import { cut } from "../boundary/index.ts"
import type { LayersNetwork } from "../models/layers-model/index.ts"
import type { HostTensor } from "../safetensors/index.ts"
import {
  type DeviceReadError,
  everyTensorOf,
  mapEveryTensor,
  readTensor,
  type Trainable,
  tidy
} from "../tensors/index.ts"
import { type AdapterRecord, fingerprintOf, RECORD_FORMAT } from "./adapter-record.ts"
import { AdapterFileError, condensed } from "./errors.ts"
import { type HeldAdapter, initAdapter } from "./held-adapter.ts"
import { restoredTree, START, storedPlaces, storedTensors } from "./stored-tensors.ts"

export interface SavedAdapter {
  readonly record: AdapterRecord
  readonly tensors: Readonly<Record<string, HostTensor>>
}

type Tensors = SavedAdapter["tensors"]

/** Reads an adapter, and the base for its fingerprint, from the device. `head`: layers that are trained in full. */
export const savedAdapter = (
  { adapted, config, seed }: Pick<HeldAdapter, "adapted" | "config" | "seed">,
  head: ReadonlyArray<string>
): Effect.Effect<SavedAdapter, DeviceReadError> =>
  Effect.gen(function* () {
    const { base, newHead } = adapted.model
    const tensors = tripletsToSave(adapted, yield* readAll(adapted))
    const weights = yield* fingerprintOf(adapted.model)
    const { ranks } = adapted.selected
    const decided = ranks === undefined ? {} : { ranks }
    const replaced = newHead === undefined ? {} : { classes: newHead.weights[0]!.shape.at(-1)! }
    const place = { head, ...replaced, base: { name: base.name, weights } }
    return {
      record: { format: RECORD_FORMAT, adapter: config, ...decided, seed, ...place },
      tensors
    }
  })

type AdaptedLayers = HeldAdapter["adapted"]

const readAll = (adapted: AdaptedLayers): Effect.Effect<Tensors, DeviceReadError> =>
  Effect.acquireUseRelease(
    Effect.sync(() => tidy(() => storedTensors(adapted).map((tensor) => tf.keep(tf.clone(tensor))))),
    (tensors) =>
      Effect.map(
        Effect.forEach(storedPlaces(adapted), ({ name, shape }, i) =>
          Effect.map(readTensor(tensors[i]!, name), (data) => [name, { shape, data: data as Float32Array }] as const)
        ),
        (entries) => Object.fromEntries(entries)
      ),
    (tensors) => Effect.sync(() => tf.dispose([...tensors]))
  )

/** AdaLoRA: a file holds the triplets that have a λ alone. */
const tripletsToSave = (adapted: AdaptedLayers, tensors: Tensors): Tensors =>
  eachSite(adapted, tensors, (files, _, siteTensors) => files.written(siteTensors))

const readTriplets = (adapted: AdaptedLayers, tensors: Tensors): Tensors =>
  eachSite(adapted, tensors, (files, part, siteTensors) => files.read(part, siteTensors))

type Files = NonNullable<PeftLayout<unknown>["files"]>

const eachSite = (
  adapted: AdaptedLayers,
  tensors: Tensors,
  change: (files: Files, part: Parameters<Files["read"]>[0], siteTensors: Tensors) => Tensors
): Tensors => {
  const files = adapted.method.peft.layout?.files
  if (files === undefined) return tensors
  const changed = adapted.parts(adapted.trainable).flatMap((part) => {
    const tensorsOfSite = siteTensors(part.site.name, tensors)
    if (Object.keys(tensorsOfSite).length === 0) return [] // reported as missing
    return Object.entries(change(files, part, tensorsOfSite)).map(
      ([name, tensor]) => [`${START}${part.site.name}.${name}`, tensor] as const
    )
  })
  return { ...tensors, ...Object.fromEntries(changed) }
}

/** Returns the tensors of one layer, by PEFT's names. */
export const siteTensors = (site: string, tensors: Tensors): Tensors => {
  const start = `${START}${site}.lora_`
  return Object.fromEntries(
    Object.entries(tensors).flatMap(([name, tensor]) =>
      name.startsWith(start) ? [[name.slice(START.length + site.length + 1), tensor]] : []
    )
  )
}

/** Options for restoring an adapter. */
export interface RestoreOptions {
  /** whether to accept an adapter trained with other base weights, such as a quantized copy; default false */
  readonly anyBase?: boolean
}

/** Restores a saved adapter onto a network. Frees its device memory if it fails. `source`: for the error. */
export const restoredAdapter = (
  network: LayersNetwork,
  { record, tensors }: SavedAdapter,
  source: string,
  { anyBase = false }: RestoreOptions = {}
): Effect.Effect<HeldAdapter, AdapterFileError | DeviceReadError> =>
  Effect.gen(function* () {
    const fail = (problems: ReadonlyArray<string>) => new AdapterFileError({ source, problems: condensed(problems) })
    const weights = anyBase ? record.base.weights : yield* fingerprintOf(network)
    if (weights !== record.base.weights) return yield* fail([otherBase(record, network, weights)])
    const request = { config: record.adapter, seed: record.seed }
    const adapter = yield* initAdapter(network, request, { shapesOnly: true, ranks: record.ranks }).pipe(
      Effect.catchTag("AdaptError", ({ problems }) =>
        Effect.fail(
          fail(problems.map(({ path, message }) => `is not an adapter of ${network.base.name}: ${path}: ${message}`))
        )
      ),
      Effect.catchTag("InitError", ({ message }) => Effect.fail(fail([message])))
    )
    const restore = restoreTensors(adapter.adapted, tensors, source)
    yield* Effect.onError(restore, () => Effect.promise(adapter.close))
    return adapter
  })

/** Replaces the tensors of `adapted` by stored ones; fails if names or shapes do not match. `source`: for the error. */
export const restoreTensors = (
  adapted: AdaptedLayers,
  tensors: Tensors,
  source: string
): Effect.Effect<void, AdapterFileError> =>
  Effect.suspend(() => {
    const triplets = readTriplets(adapted, tensors)
    const problems = tensorProblems(adapted, triplets)
    if (problems.length > 0) return Effect.fail(new AdapterFileError({ source, problems: condensed(problems) }))
    replaceTree(adapted, triplets)
    return Effect.void
  })

const otherBase = ({ base }: AdapterRecord, network: LayersNetwork, weights: string): string =>
  `was trained over other weights: found ${base.weights} (${cut(base.name)}), expected ${weights} (${network.base.name}); ` +
  `load the model that it was trained over, or pass { anyBase: true } if this is a rounded copy of it`

const tensorProblems = (adapted: AdaptedLayers, fileTensors: Tensors): ReadonlyArray<string> => {
  const places = storedPlaces(adapted)
  const known = new Set(places.map(({ name }) => name))
  return [
    ...places.flatMap(({ name, shape }) => {
      const tensor = fileTensors[name]
      if (tensor === undefined) return [`tensor ${name} is missing; expected one of shape [${shape}]`]
      if (`${tensor.shape}` !== `${shape}`) return [`tensor ${name} has shape [${tensor.shape}], expected [${shape}]`]
      const wrong = tensor.data.findIndex((value) => !Number.isFinite(value))
      return wrong < 0 ? [] : [`tensor ${name} holds ${tensor.data[wrong]} at ${wrong}, expected finite numbers`]
    }),
    ...Object.keys(fileTensors).flatMap((name) =>
      known.has(name) ? [] : [`tensor ${name} does not belong to this model`]
    )
  ]
}

/** In handles of its own. */
const replaceTree = (adapted: AdaptedLayers, trees: Tensors): void => {
  const before = adapted.trainable
  adapted.trainable = tidy((): Trainable => {
    const stored = storedPlaces(adapted).map(({ name, shape }) => tf.tensor(trees[name]!.data, [...shape]))
    const tree = restoredTree(adapted, stored)
    const keptClone = (tensor: tf.Tensor): tf.Tensor => tf.keep(tf.clone(tensor))
    return mapEveryTensor(keptClone, tree)
  })
  tf.dispose([...everyTensorOf(before)])
}
