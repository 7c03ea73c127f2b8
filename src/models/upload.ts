/**
 * Brings parameters from a checkpoint to the device, where they stay until the scope ends. Weights of linear layers may be held in fewer
 * bits; each is packed as it arrives, so that no more than one tensor is ever in float32 on the host.
 */
import type { Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import * as Scope from "effect/Scope"
import { dequantized } from "../kernels/index.ts"
import {
  isPacking,
  KEPT,
  KEPT_TABLES,
  LARGEST_STORABLE,
  type PackedHostMatrix,
  type Packing,
  packMatrix,
  TABLES,
  type Unstorable,
  type WeightForm
} from "../numbers/index.ts"
import type { HostTensor } from "../safetensors/index.ts"
import { type LinearSite, type PackedMatrix, tensorsOfMatrix, uploadPacked, type Weights } from "../tensors/index.ts"
import type { MappedWeight, StoredMatrix } from "./mapped-weights.ts"
import { ModelError } from "./model.ts"
import { SharedParts, sharedIdentity } from "./shared-parts.ts"

interface UploadOptions {
  /** what reads the folder: two that read the same name may bring other numbers, such as its transpose */
  readonly reader: string
  /** how weights of linear layers are held; everything but tables is float32 */
  readonly form: WeightForm
  /** the linear layers */
  readonly sites: ReadonlyArray<LinearSite>
  /** parameters with a row for each token, held as `TABLES` says; none unless given */
  readonly tables?: ReadonlyArray<string>
  /** parameters that stay float32 all the same: those that will be trained themselves, which should start unrounded */
  readonly whole: ReadonlyArray<string>
}

interface Uploaded {
  readonly weights: Weights
  /** by parameter name */
  readonly packed: ReadonlyMap<string, PackedMatrix>
  /**
   * Takes a parameter of the checkpoint that another model has on the device, or leaves it in its file; false: it is to be brought by `upload`.
   * `stored`: where it is; undefined if it cannot be read there.
   */
  readonly known: (
    name: string,
    stored: StoredMatrix | undefined
  ) => Effect.Effect<boolean, ModelError, FileSystem.FileSystem>
  /** Brings a parameter to the device. `stored`: its name in the checkpoint; without one it is this model's own. */
  readonly upload: (name: string, tensor: HostTensor, stored?: string) => Effect.Effect<void, ModelError>
  /** Brings a matrix as it is packed already, where a packed parameter may be held so; false: it is to be brought by `upload`. */
  readonly keep: (name: string, packed: () => PackedHostMatrix | null) => boolean
}

/** A parameter on the device. */
type Held = { readonly tensor: Tensor } | { readonly matrix: PackedMatrix } | MappedWeight

const disposeHeld = (held: Held): void => {
  if ("tensor" in held) held.tensor.dispose()
  else tf.dispose([...tensorsOfMatrix(held.matrix)])
  if ("release" in held) held.release()
}

/**
 * Creates an empty store for the parameters of the model in `folder`. Parameters that other models use too are shared, if `SharedParts` is
 * provided.
 */
export const uploaded = (
  folder: string,
  { reader, form, sites, tables = [], whole }: UploadOptions
): Effect.Effect<Uploaded, never, Scope.Scope | FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const tensors = new Map<string, Tensor>()
    const packed = new Map<string, PackedMatrix>()
    const toDispose: Array<Held> = []
    const scope = yield* Effect.scope
    yield* Effect.addFinalizer(() => Effect.sync(() => toDispose.forEach(disposeHeld)))
    const shared = yield* SharedParts
    const identity = yield* sharedIdentity(folder)
    const rows = (names: ReadonlyArray<string>, packing: Packing | null, acceptedPackings: ReadonlyArray<Packing>) =>
      names.filter((name) => !whole.includes(name)).map((name) => [name, { packing, acceptedPackings }] as const)
    const linear = sites.map((site) => `${site.name}.weight`)
    const mappable = form === "file" ? new Set([...linear, ...tables].filter((name) => !whole.includes(name))) : null
    /** of what is not float32 whatever it is: how it is packed, and in what packings it may come and stay */
    const held = new Map(
      isPacking(form) ? [...rows(tables, TABLES[form], KEPT_TABLES), ...rows(linear, form, KEPT[form])] : []
    )
    const put = (name: string, value: Held): void => {
      if ("tensor" in value) tensors.set(name, value.tensor)
      else packed.set(name, value.matrix)
    }
    const keyOf = (name: string) =>
      JSON.stringify([reader, identity, name, held.has(name) || mappable?.has(name) ? form : "f32"])
    /** `made`: the parameter, where this model may be the first that has it. */
    const sharing = (parts: SharedParts, name: string, made?: Held): Effect.Effect<void> =>
      parts
        .part(
          keyOf(name),
          () => {
            if (made !== undefined) return made
            throw new Error(`${name} was given back while it was taken`)
          },
          disposeHeld
        )
        .pipe(
          Effect.provideService(Scope.Scope, scope),
          Effect.map((value) => {
            // another model was first after all
            if (made !== undefined && value !== made) disposeHeld(made)
            put(name, value)
          })
        )
    const parts = identity === undefined ? null : shared
    const keepOwn = (name: string, value: Held): void => {
      toDispose.push(value)
      put(name, value)
    }
    const known: Uploaded["known"] = (name, stored) =>
      Effect.gen(function* () {
        if (parts?.has(keyOf(name)) === true) {
          yield* sharing(parts, name)
          return true
        }
        if (stored === undefined || mappable?.has(name) !== true) return false
        const { mappedWeight } = yield* Effect.promise(() => import("./mapped-weights.ts"))
        const value = yield* mappedWeight(stored)
        if (value === null) return false
        if (parts === null) keepOwn(name, value)
        else yield* sharing(parts, name, value)
        return true
      })
    const upload: Uploaded["upload"] = (name, tensor, stored) =>
      Effect.flatMap(heldAs(held.get(name)?.packing ?? null, tensor, folder, stored ?? name), (value) =>
        stored !== undefined && parts !== null ? sharing(parts, name, value) : Effect.sync(() => keepOwn(name, value))
      )
    const keep: Uploaded["keep"] = (name, readMatrix) => {
      const way = held.get(name)
      const matrix = way === undefined || way.acceptedPackings.length === 0 ? null : readMatrix()
      if (matrix === null || way?.acceptedPackings.includes(matrix.packing) !== true) return false
      const value = { matrix: onDevice(matrix) }
      if (parts === null) keepOwn(name, value)
      else Effect.runSync(sharing(parts, name, value))
      return true
    }
    const weights = (name: string): Tensor => {
      const tensor = tensors.get(name)
      if (tensor !== undefined) return tensor
      const mapped = packed.get(name)
      if (mapped?.packing === "mapped") {
        // for code that reads it itself; products read the file
        keepOwn(name, { tensor: tf.keep(dequantized(mapped)) })
        return weights(name)
      }
      throw new Error(
        packed.has(name) ? `${name} is packed: see Model.packed` : `model ${folder} has no parameter ${name}`
      )
    }
    return { weights, packed, known, upload, keep }
  })

/** A parameter on the device until it is disposed, packed or as it is. */
const heldAs = (
  packing: Packing | null,
  tensor: HostTensor,
  folder: string,
  stored: string
): Effect.Effect<Held, ModelError> => {
  const { data, shape } = tensor
  if (packing === null) return Effect.sync(() => ({ tensor: tf.keep(tf.tensor(data, [...shape], "float32")) }))
  return uploadAs(packing, tensor).pipe(
    Effect.map((matrix) => ({ matrix })),
    Effect.mapError((problem) => new ModelError({ folder, problems: [`weights: ${stored} ${problem}`] }))
  )
}

/** A weight packed and on the device, or what is wrong with it. */
const uploadAs = (packing: Packing, { data, shape }: HostTensor): Effect.Effect<PackedMatrix, string> =>
  Effect.suspend(() => {
    const matrix = packMatrix(packing, data, shape as PackedMatrix["shape"])
    return "value" in matrix ? Effect.fail(unstorable(packing, matrix)) : Effect.sync(() => onDevice(matrix))
  })

/** A packed matrix on the device, until it is disposed. */
const onDevice = (matrix: PackedHostMatrix): PackedMatrix => {
  const uploaded = uploadPacked(matrix)
  for (const tensor of tensorsOfMatrix(uploaded)) tf.keep(tensor)
  return uploaded
}

const unstorable = (packing: Packing, { value, row, column }: Unstorable): string =>
  `has ${value} at [${row}, ${column}]${
    Number.isFinite(value)
      ? `; "${packing}" holds numbers up to ${LARGEST_STORABLE[packing]}: set model.weights to "f32" or "int8"`
      : ", which no model can use: the checkpoint is damaged; download it again"
  }`
