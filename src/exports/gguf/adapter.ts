/**
 * The adapter alone, as llama.cpp's `--lora` reads it: factors `<tensor>.lora_a` [r, in] and `<tensor>.lora_b` [out, r] in float32.
 *
 * llama.cpp computes W x + (alpha/r)·B(A x), with one alpha for the file and the rank r of each pair. If s·r is the same for all pairs, it is the
 * alpha; otherwise (ranks or alphas by pattern, rank-stabilized scales over several ranks) B is multiplied by the missing factor. Factors that an
 * initialization subtracted or that a method puts between A and B are already included (`Sum`). Rows of B are permuted as those of W are.
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { type Adapted, methodOf } from "../../../adapters/index.ts"
import type { AdapterConfig } from "../../../schemas/index.ts"
import { counted } from "../../boundary/index.ts"
import type { CausalModel } from "../../models/causal/index.ts"
import {
  type EncodedValue,
  encoded,
  type GgufModel,
  type TensorToStore,
  writableTypes
} from "../../models/gguf/write/index.ts"
import { type DeviceReadError, readTensor } from "../../tensors/index.ts"
import { nameIn } from "./merged-tensors.ts"

/** Returns why llama.cpp cannot use the adapter, as the end of a sentence; undefined if it can. `parameters`: parameters trained as a whole. */
export const adapterObstacle = (config: AdapterConfig, parameters: ReadonlyArray<string>): string | undefined => {
  const method = methodOf(config)
  const instead = "use --type q8_0 or another type of the merged model"
  if (method.sum.by !== "factors") {
    return `its adapter is ${method.label}, but llama.cpp supports only factors A and B: ${instead}`
  }
  if (parameters.length > 0) {
    return `trained ${counted(parameters.length, "tensor")} in addition to its factors (${parameters[0]}, …), which llama.cpp's adapters cannot contain: ${instead}`
  }
  return undefined
}

interface AdapterTensors {
  readonly alpha: number
  readonly tensors: ReadonlyMap<string, TensorToStore<never, never>>
}

interface Pair {
  readonly name: string
  readonly shape: { readonly out: number; readonly in: number; readonly rank: number }
  readonly scale: number
  readonly A: Float32Array
  readonly B: Float32Array
}

export const adapterTensors = (
  adapted: Adapted<CausalModel>,
  model: GgufModel
): Effect.Effect<AdapterTensors, DeviceReadError> =>
  Effect.gen(function* () {
    const matrices = yield* Effect.forEach(adapted.parts(adapted.trainable), (part) => pairOf(adapted, part, model))
    // a rank that shrank to 0 adds nothing
    const pairs = matrices.filter(({ shape }) => shape.rank > 0)
    const alpha = pairs.length === 0 ? 1 : pairs[0]!.scale * pairs[0]!.shape.rank
    const tensors = new Map<string, TensorToStore<never, never>>()
    for (const { name, shape, scale, A, B } of pairs) {
      const left = (scale * shape.rank) / alpha
      const change = model.writing.change(name, adapted.model)
      const scaled = left === 1 ? B : B.map((value) => value * left)
      const moved = change === undefined ? scaled : change(scaled, shape.rank)
      const put = (end: string, rows: number, columns: number, values: Float32Array) =>
        tensors.set(`${name}.${end}`, {
          shape: [rows, columns],
          type: writableTypes.F32,
          values: Effect.succeed(values)
        })
      put("lora_a", shape.rank, shape.in, A)
      put("lora_b", shape.out, shape.rank, moved)
    }
    return { alpha, tensors }
  })

const pairOf = (
  { model: causalModel, method }: Adapted<CausalModel>,
  part: ReturnType<Adapted<CausalModel>["parts"]>[number],
  model: GgufModel
): Effect.Effect<Pair, DeviceReadError> => {
  const { sum } = method
  // `adapterObstacle` has been asked
  if (sum.by !== "factors") throw new Error(`${method.tag} has no factors`)
  const name = nameIn(model, causalModel, `${part.site.name}.weight`)
  if (name === undefined) throw new Error(`${part.site.name} has no name in ${model.writing.architecture.name}`)
  return Effect.acquireUseRelease(
    Effect.sync(() => {
      let scale = 1
      const [A, B] = tf.tidy(() => {
        const factors = sum.factors(part)
        scale = factors.scale
        return [factors.A.clone(), factors.B.clone()]
      })
      return { A: A!, B: B!, scale }
    }),
    ({ A, B, scale }) =>
      Effect.gen(function* () {
        const values = {
          A: (yield* readTensor(A, `A of ${part.site.name}`)) as Float32Array,
          B: (yield* readTensor(B, `B of ${part.site.name}`)) as Float32Array
        }
        const shape = { out: B.shape[0]!, in: A.shape[1]!, rank: A.shape[0]! }
        return { name, shape, scale, ...values }
      }),
    ({ A, B }) => Effect.sync(() => tf.dispose([A, B]))
  )
}

/** Returns the metadata `general.*` and `adapter.*`. */
export const adapterMetadata = (architecture: string, name: string, alpha: number): ReadonlyMap<string, EncodedValue> =>
  new Map([
    ["general.architecture", encoded.string(architecture)],
    ["general.type", encoded.string("adapter")],
    ["general.name", encoded.string(name)],
    ["general.file_type", encoded.u32(0)],
    ["adapter.type", encoded.string("lora")],
    ["adapter.lora.alpha", encoded.f32(alpha)]
  ])
