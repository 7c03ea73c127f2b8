/**
 * Brings parameters from a checkpoint to the device, where they stay until the scope ends. Weights of linear layers may be held in fewer
 * bits; each is packed as it arrives, so that no more than one tensor is ever in float32 on the host.
 */
import type { Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import {
  KEPT,
  KEPT_TABLES,
  LARGEST_STORABLE,
  type PackedHostMatrix,
  type Packing,
  packMatrix,
  TABLES,
  type Unstorable
} from "../numbers/index.ts"
import type { HostTensor } from "../safetensors/index.ts"
import { type LinearSite, type PackedMatrix, tensorsOfMatrix, uploadPacked, type Weights } from "../tensors/index.ts"
import { ModelError } from "./model.ts"

interface UploadOptions {
  /** how weights of linear layers are held; everything but tables is float32 */
  readonly form: "f32" | Packing
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
  /** Brings a parameter to the device. `stored`: its name in the checkpoint, for what is wrong with it. */
  readonly upload: (name: string, tensor: HostTensor, stored?: string) => Effect.Effect<void, ModelError>
  /** Brings a matrix as it is packed already, where a packed parameter may be held so; false: it is to be brought by `upload`. */
  readonly keep: (name: string, packed: () => PackedHostMatrix | null) => boolean
}

/** An empty place for the parameters of the model in `folder`. */
export const uploaded = (
  folder: string,
  { form, sites, tables = [], whole }: UploadOptions
): Effect.Effect<Uploaded, never, Scope.Scope> =>
  Effect.gen(function* () {
    const tensors = new Map<string, Tensor>()
    const packed = new Map<string, PackedMatrix>()
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => tf.dispose([...tensors.values(), ...[...packed.values()].flatMap(tensorsOfMatrix)]))
    )
    const rows = (names: ReadonlyArray<string>, packing: Packing | null, kept: ReadonlyArray<Packing>) =>
      names.filter((name) => !whole.includes(name)).map((name) => [name, { packing, kept }] as const)
    const linear = sites.map((site) => `${site.name}.weight`)
    /** of what is not float32 whatever it is: how it is packed, and in what packings it may come and stay */
    const held = new Map(
      form === "f32" ? [] : [...rows(tables, TABLES[form], KEPT_TABLES), ...rows(linear, form, KEPT[form])]
    )
    const upload: Uploaded["upload"] = (name, tensor, stored = name) => {
      const packing = held.get(name)?.packing ?? null
      if (packing === null) {
        const { data, shape } = tensor
        return Effect.sync(() => void tensors.set(name, tf.keep(tf.tensor(data, [...shape], "float32"))))
      }
      return uploadAs(packing, tensor).pipe(
        Effect.map((matrix) => void packed.set(name, matrix)),
        Effect.mapError((problem) => new ModelError({ folder, problems: [`weights: ${stored} ${problem}`] }))
      )
    }
    const keep: Uploaded["keep"] = (name, given) => {
      const own = held.get(name)
      const matrix = own === undefined || own.kept.length === 0 ? null : given()
      if (matrix === null || own?.kept.includes(matrix.packing) !== true) return false
      packed.set(name, onDevice(matrix))
      return true
    }
    const weights = (name: string): Tensor => {
      const tensor = tensors.get(name)
      if (tensor !== undefined) return tensor
      throw new Error(
        packed.has(name) ? `${name} is packed: see Model.packed` : `model ${folder} has no parameter ${name}`
      )
    }
    return { weights, packed, upload, keep }
  })

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
      : ", with which no model computes anything: the checkpoint is damaged, get it again"
  }`
