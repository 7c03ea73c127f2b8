/**
 * The tensors of a merged model: those of the base checkpoint under their names there, with W′ = W + s·BA (or the result of the method's `merge`)
 * in place of W, and every parameter trained as a whole in place of its initial value.
 *
 * If the run held W in fewer bits (`model.weights`), W is the dequantized weight here, at every linear layer, adapted or not: the adapter was
 * trained and evaluated over it, so the merged model computes what was measured.
 *
 *   floats      as float32: a merged weight rounded back to float16 would not compute what was trained
 *   integers    unchanged (buffers such as position ids)
 *   a head      transformers' own classification head goes into the file; one over mean pooling, which no class has, does not
 *
 * Names and tensors differ from the base's in two cases, in which transformers would misread the file otherwise: a classification head on a bare
 * encoder's checkpoint makes it the classification class, whose names have a prefix (`bert.encoder.…`); and a classifier of the base that this
 * model does not use (its head is over mean pooling) is left out, since it would answer under this model's labels.
 */
import type { Tensor, Tensor2D } from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { Adapted } from "../../adapters/index.ts"
import type { Sources } from "../hub/hub.ts"
import { dequantized } from "../kernels/index.ts"
import {
  classParameterName,
  families,
  familyOf,
  headClassOf,
  type ModelDescription,
  type ModelError,
  type Network,
  openCheckpoint,
  storedName
} from "../models/index.ts"
import {
  bytesOf,
  readFolderHeaders,
  readStored,
  readStoredBytes,
  type SafetensorsError,
  type StoredTensor,
  streamSafetensors,
  type TensorType
} from "../safetensors/index.ts"
import { type DeviceReadError, readTensor } from "../tensors/index.ts"

/** A parameter that differs from the base's; it is read from the device when it is written. */
export interface ChangedParameter {
  readonly shape: ReadonlyArray<number>
  readonly read: Effect.Effect<Float32Array, DeviceReadError>
}

/** Creates a tensor, reads it and disposes it. */
const readOnce = (name: string, make: () => Tensor2D): Effect.Effect<Float32Array, DeviceReadError> =>
  Effect.acquireUseRelease(
    Effect.sync(make),
    (weight) => readTensor(weight, name) as Effect.Effect<Float32Array, DeviceReadError>,
    (weight) => Effect.sync(() => weight.dispose())
  )

/** Returns, by the family's parameter names, W′ of every adapted site and each tensor that was trained itself, heads included. */
export const trainedParameters = <M extends Network>(adapted: Adapted<M>): ReadonlyMap<string, ChangedParameter> => {
  const { model, sites, trainable } = adapted
  const names = new Set([...model.parameters, ...model.head.parameters].map(({ name }) => name))
  const read = (tensor: Tensor, name: string) =>
    readTensor(tensor, name) as Effect.Effect<Float32Array, DeviceReadError>
  const dense = trainable.dense
    .filter(({ name }) => names.has(name)) // a method may train more than parameters, a scale for instance; `merge` knows what of
    .map(({ name, value }) => [name, { shape: value.shape, read: read(value, name) }] as const)
  const merged = sites.map((site) => {
    const name = `${site.name}.weight`
    const once = readOnce(name, () => adapted.merged(site, trainable))
    return [name, { shape: [site.out, site.in], read: once }] as const
  })
  return new Map<string, ChangedParameter>([...dense, ...merged])
}

/** Returns the weights that the run held in fewer bits, dequantized as the run computed with them. */
export const roundedParameters = <M extends Network>({ model }: Adapted<M>): ReadonlyMap<string, ChangedParameter> =>
  new Map(
    [...(model.packed ?? [])]
      .filter(([, { packing }]) => packing !== "mapped")
      .map(([name, W]) => [name, { shape: W.shape, read: readOnce(name, () => dequantized(W)) }])
  )

/** Counts of a merged file's tensors by origin. */
export interface TensorCounts {
  /** tensors that contain trained values */
  readonly merged: number
  /** tensors that are rounded as in the run and otherwise equal the base's */
  readonly rounded: number
  /** tensors copied unchanged from the base */
  readonly copied: number
  /** tensors of the base that the merged file omits */
  readonly leftOut: ReadonlyArray<string>
}

/** A tensor of a merged file. */
export interface MergedTensor extends TensorType {
  readonly bytes: Effect.Effect<Uint8Array, SafetensorsError | DeviceReadError, FileSystem.FileSystem>
}

/** Writes `file` one tensor at a time. Neither the base nor the merged model is ever held in memory as a whole. */
export const writeMergedTensors = <M extends ModelDescription & Network>(
  file: string,
  adapted: Adapted<M>
): Effect.Effect<TensorCounts, ModelError | SafetensorsError | DeviceReadError, Sources> =>
  Effect.gen(function* () {
    const { model } = adapted
    const { find, prefix } = yield* openCheckpoint(model.folder, families)
    const stored = yield* readFolderHeaders(model.folder)
    const sources = new Map<string, MergedTensor>()
    const leftOut: Array<string> = []
    for (const tensor of stored.values()) {
      if (isForeignHead(model, tensor.name)) leftOut.push(tensor.name)
      else sources.set(exportedStoredName(model, prefix, tensor.name), copied(tensor))
    }
    const trained = trainedParameters(adapted)
    const rounded = [...roundedParameters(adapted)].filter(([name]) => !trained.has(name))
    const changed = [...[...trained].filter(([name]) => !isSeparateHead(model, name)), ...rounded]
    for (const [name, { shape, read }] of changed) {
      const old = find(name)?.name
      const exported = old === undefined ? classParameterName(model, name) : exportedStoredName(model, prefix, old)
      sources.set(exported, { dtype: "F32", shape, bytes: Effect.map(read, bytesOf) })
    }
    yield* streamSafetensors(file, sources, (name) => sources.get(name)!.bytes, { format: "pt" })
    const merged = changed.length - rounded.length
    return { merged, rounded: rounded.length, copied: sources.size - changed.length, leftOut }
  })

/** Returns a tensor of the base as the merged file stores it: floats as float32. */
export const copied = (tensor: StoredTensor): MergedTensor =>
  /^(F|BF)/.test(tensor.dtype)
    ? { dtype: "F32", shape: tensor.shape, bytes: Effect.map(readStored(tensor), ({ data }) => bytesOf(data)) }
    : { dtype: tensor.dtype, shape: tensor.shape, bytes: readStoredBytes(tensor) }

/** Returns whether a tensor belongs to a head that no class of transformers has, which is saved separately. */
const isSeparateHead = ({ head }: ModelDescription, name: string): boolean =>
  headClassOf(head) === undefined && head.parameters.some((parameter) => parameter.name === name)

/** Returns whether a tensor belongs to a stored head that this model does not use. */
const isForeignHead = (model: ModelDescription, stored: string): boolean => {
  const { family, head } = model
  if (headClassOf(head) === undefined) return isOutsideBackbone(family, stored)
  const { prefix, headModules } = familyOf(family)
  const name = stored.startsWith(prefix) ? stored.slice(prefix.length) : stored
  const isOfHead = headModules.some((module) => name.startsWith(`${module}.`))
  return isOfHead && !head.parameters.some((parameter) => parameter.name === name)
}

const isOutsideBackbone = (family: string, name: string): boolean =>
  storedName(familyOf(family), "backbone.", name) === name

/** Returns a stored name as the merged file has it. `prefix`: the checkpoint's own. */
const exportedStoredName = (model: ModelDescription, prefix: string, stored: string): string =>
  prefix === model.prefix ? stored : classParameterName(model, stored)
