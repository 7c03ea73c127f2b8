/**
 * Which trained tensor lies in which file under which name: the one table that saving and restoring share.
 *
 *   adapter_model.safetensors   base_model.model.<module>.lora_A.weight [r, in], …lora_B.weight [out, r]; modules to save under their
 *                               own names                              (PEFT 0.21; method lora)
 *   head.safetensors            weight [classes, hidden], bias [classes]  (a head over mean pooling, which no transformers class has)
 *   trained.safetensors         whatever else is trained itself, under the checkpoint's names  (methods full and none)
 *
 * <module> is the path in the class that transformers loads: the sequence classifier where the head is its own (pooling
 * "pooler": `bert.encoder.…`, `classifier`), the bare encoder where it is not (pooling "mean": `encoder.…`).
 */
import type { Adapted } from "../../adapters/index.ts"
import { classParameterName, type ModelDescription } from "../models/index.ts"

export type AdapterFile = "adapter_model.safetensors" | "head.safetensors" | "trained.safetensors"

export interface StoredTensor {
  readonly file: AdapterFile
  readonly name: string
}

/** A module's or parameter's path in the class that transformers loads. */
export const exportedName = (model: ModelDescription, name: string): string =>
  classParameterName(model.head.pooling === "mean" ? { ...model, prefix: "" } : model, name)

/** For each trained tensor, in the order of `tensorsOf`, where it is stored. */
export const storedTensors = ({ model, method, trainable }: Adapted): ReadonlyArray<StoredTensor> => {
  const peft = method === "lora"
  const factors = trainable.pairs.flatMap(({ site }) =>
    ["lora_A", "lora_B"].map(
      (factor): StoredTensor => ({
        file: "adapter_model.safetensors",
        name: `base_model.model.${exportedName(model, site.name)}.${factor}.weight`
      })
    )
  )
  const dense = trainable.dense.map(({ name, role }): StoredTensor => {
    if (role === "head" && model.head.pooling === "mean") {
      return { file: "head.safetensors", name: name.slice(name.lastIndexOf(".") + 1) }
    }
    const exported = exportedName(model, name)
    return peft
      ? { file: "adapter_model.safetensors", name: `base_model.model.${exported}` }
      : { file: "trained.safetensors", name: exported }
  })
  return [...factors, ...dense]
}
