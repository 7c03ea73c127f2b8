/**
 * Module names in the class that transformers loads: the sequence classifier where the head is its own (pooling "pooler":
 * `bert.encoder.…`, `classifier`), the bare encoder where it is not (pooling "mean": `encoder.…`), the causal model.
 */
import { type CausalDescription, causalClassName, OUTPUT_LAYER } from "../../models/causal/index.ts"
import { classParameterName, type ModelDescription } from "../../models/index.ts"

/** What is exported: of a Hugging Face class. */
export type ExportedModel = ModelDescription | CausalDescription

export const isCausal = (model: ExportedModel): model is CausalDescription => "decoder" in model

/** Head over mean pooling, which no class of transformers has. */
export const hasOwnHead = (model: ExportedModel): boolean => !isCausal(model) && model.head.pooling === "mean"

/** A module's or parameter's path in that class. */
export const exportedName = (model: ExportedModel, name: string): string => {
  if (isCausal(model)) return causalClassName(model, name)
  return classParameterName(hasOwnHead(model) ? { ...model, prefix: "" } : model, name)
}

/**
 * Of the embedding of a model whose output layer is the embedding: the output layer's parameter. PEFT gives a module to save weights of
 * its own and ties nothing to them again, so both have to be saved; null: of any other parameter.
 */
export const tiedTo = (model: ExportedModel, name: string): string | null =>
  isCausal(model) && model.tied && name === model.decoder.embedding ? OUTPUT_LAYER : null
