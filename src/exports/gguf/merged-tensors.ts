/** The tensors of a run's model in a GGUF file: W + s·BA in place of W, everything else from the base. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type { Adapted } from "../../../adapters/index.ts"
import {
  type CausalFamily,
  type CausalModel,
  type CheckpointSource,
  causalClassName,
  causalFamilies,
  transposed
} from "../../models/causal/index.ts"
import { type GgufModel, ggufName } from "../../models/gguf/write/index.ts"
import type { ModelError } from "../../models/index.ts"
import { roundedParameters, trainedParameters } from "../../output/index.ts"
import type { DeviceReadError } from "../../tensors/index.ts"

export interface MergedTensor {
  readonly shape: ReadonlyArray<number>
  readonly values: Effect.Effect<Float32Array, ModelError | DeviceReadError, FileSystem.FileSystem | Path.Path>
}

/** Returns the architecture's name of a parameter or a layer, with ".weight", ".bias" or no suffix. */
export const nameIn = (
  { writing: { architecture } }: Pick<GgufModel, "writing">,
  { family, prefix }: Pick<CausalModel, "family" | "prefix">,
  name: string
): string | undefined => {
  const { textPart }: CausalFamily = causalFamilies[family as keyof typeof causalFamilies]
  const [, module, kind = ""] = /^(.*?)(\.weight|\.bias)?$/.exec(causalClassName(textPart ?? { prefix }, name))!
  const moduleName = ggufName(architecture, module!)
  return moduleName === undefined ? undefined : moduleName + kind
}

/** Returns the merged tensors by GGUF names. `lacking`: parameters for which the architecture has no name. */
export const mergedTensors = (
  adapted: Adapted<CausalModel>,
  source: CheckpointSource,
  model: GgufModel
): { readonly tensors: ReadonlyMap<string, MergedTensor>; readonly lacking: ReadonlyArray<string> } => {
  const { model: causalModel } = adapted
  const changed = new Map([...roundedParameters(adapted), ...trainedParameters(adapted)])
  const turned = new Set(causalModel.fanInFanOut ? causalModel.sites.map((site) => `${site.name}.weight`) : [])
  const tensors = new Map<string, MergedTensor>()
  const lacking: Array<string> = []
  for (const { name, shape } of causalModel.parameters) {
    const stored = nameIn(model, causalModel, name)
    if (stored === undefined) {
      lacking.push(name)
      continue
    }
    const values =
      changed.get(name)?.read ?? copied(source, causalModel.stored.get(name)!, turned.has(name) ? shape : null)
    const change = model.writing.change(stored, causalModel)
    const columns = shape.length === 2 ? shape[1]! : 1
    tensors.set(stored, {
      shape,
      values: change === undefined ? values : Effect.map(values, (data) => change(data, columns))
    })
  }
  for (const [name, data] of Object.entries(model.tensors)) {
    tensors.set(name, { shape: [data.length], values: Effect.succeed(data) })
  }
  return { tensors, lacking }
}

/** A tensor of the base; `shape` [out, in]: of one that is stored turned. */
const copied = (
  source: CheckpointSource,
  stored: string,
  shape: ReadonlyArray<number> | null
): MergedTensor["values"] =>
  Effect.suspend(() => {
    const read: Array<Float32Array> = []
    const visit = (_: string, data: Float32Array) => Effect.sync(() => void read.push(data))
    return Effect.map(source.read([stored], visit), () =>
      shape === null ? read[0]! : transposed(read[0]!, shape[1]!, shape[0]!)
    )
  })
