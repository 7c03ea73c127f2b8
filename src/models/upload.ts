/**
 * Brings parameters from a checkpoint to the device, where they stay until the scope ends. Weights of linear layers may be held in fewer
 * bits; each is packed as it arrives, so that no more than one tensor is ever in float32 on the host.
 */
import type { Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { LARGEST_IN_F16, type Packing, packMatrix, type Unstorable } from "../numbers/index.ts"
import type { HostTensor } from "../safetensors/index.ts"
import { type LinearSite, type PackedMatrix, tensorsOfMatrix, uploadPacked, type Weights } from "../tensors/index.ts"
import { ModelError } from "./model.ts"

interface UploadOptions {
  /** how weights of linear layers are held; everything else is float32 */
  readonly form: "f32" | Packing
  /** the linear layers */
  readonly sites: ReadonlyArray<LinearSite>
  /** parameters that stay float32 all the same: those that will be trained themselves, which should start unrounded */
  readonly whole: ReadonlyArray<string>
}

interface Uploaded {
  readonly weights: Weights
  /** by parameter name */
  readonly packed: ReadonlyMap<string, PackedMatrix>
  /** Brings a parameter to the device. `stored`: its name in the checkpoint, for what is wrong with it. */
  readonly upload: (name: string, tensor: HostTensor, stored?: string) => Effect.Effect<void, ModelError>
}

/** An empty place for the parameters of the model in `folder`. */
export const uploaded = (
  folder: string,
  { form, sites, whole }: UploadOptions
): Effect.Effect<Uploaded, never, Scope.Scope> =>
  Effect.gen(function* () {
    const tensors = new Map<string, Tensor>()
    const packed = new Map<string, PackedMatrix>()
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => tf.dispose([...tensors.values(), ...[...packed.values()].flatMap(tensorsOfMatrix)]))
    )
    const packable = new Set(sites.map((site) => `${site.name}.weight`).filter((name) => !whole.includes(name)))
    const upload: Uploaded["upload"] = (name, tensor, stored = name) => {
      if (form === "f32" || !packable.has(name)) {
        const { data, shape } = tensor
        return Effect.sync(() => void tensors.set(name, tf.keep(tf.tensor(data, [...shape], "float32"))))
      }
      return uploadAs(form, tensor).pipe(
        Effect.map((matrix) => void packed.set(name, matrix)),
        Effect.mapError((problem) => new ModelError({ folder, problems: [`weights: ${stored} ${problem}`] }))
      )
    }
    const weights = (name: string): Tensor => {
      const tensor = tensors.get(name)
      if (tensor !== undefined) return tensor
      throw new Error(
        packed.has(name) ? `${name} is packed: see Model.packed` : `model ${folder} has no parameter ${name}`
      )
    }
    return { weights, packed, upload }
  })

/** A weight packed and on the device, or what is wrong with it. */
const uploadAs = (packing: Packing, { data, shape }: HostTensor): Effect.Effect<PackedMatrix, string> =>
  Effect.suspend(() => {
    const matrix = packMatrix(packing, data, shape as PackedMatrix["shape"])
    if ("value" in matrix) return Effect.fail(unstorable(packing, matrix))
    const uploaded = uploadPacked(matrix)
    for (const tensor of tensorsOfMatrix(uploaded)) tf.keep(tensor)
    return Effect.succeed(uploaded)
  })

const unstorable = (packing: Packing, { value, row, column }: Unstorable): string =>
  `has ${value} at [${row}, ${column}]${
    Number.isFinite(value)
      ? `; "${packing}" holds numbers up to ${LARGEST_IN_F16}: set model.weights to "f32" or "int8"`
      : ", with which no model computes anything: the checkpoint is damaged, get it again"
  }`
