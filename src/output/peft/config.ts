/**
 * `adapter_config.json` as Hugging Face PEFT 0.21 reads it: what every method says, and the method's own fields. And the names of modules
 * in PEFT's files.
 *
 * Targets are written as full module names: a suffix like `dense` would make PEFT adapt the pooler too, and leave its factors
 * at random.
 */
import { type PeftLayout, type SelectedSite, type SiteTensors, selectionOf } from "../../../adapters/index.ts"
import type { AdapterConfig } from "../../../schemas/index.ts"
import { type CausalDescription, causalClassName, OUTPUT_LAYER } from "../../models/causal/index.ts"
import { classParameterName, type ModelDescription } from "../../models/index.ts"
import type { HostTensor } from "../../safetensors/index.ts"

/** What is exported: of a Hugging Face class. */
export type ExportedModel = ModelDescription | CausalDescription

export const isCausal = (model: ExportedModel): model is CausalDescription => "decoder" in model

/** A head that no class of transformers has: over mean pooling, or none. Its class is the bare encoder. */
export const hasOwnHead = (model: ExportedModel): boolean => !isCausal(model) && model.head.pooling !== "pooler"

/**
 * A module's or parameter's path in the class that transformers loads: the sequence classifier where the head is its own (pooling "pooler":
 * `bert.encoder.…`, `classifier`), the bare encoder where it is not (`encoder.…`), or the causal model.
 */
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

export interface PeftSource {
  readonly model: ExportedModel
  readonly config: AdapterConfig
  readonly sites: ReadonlyArray<SelectedSite<unknown>>
  readonly steps: number
  /** what was stored of a site */
  readonly stored: (site: string) => SiteTensors<HostTensor>
  /** modules trained themselves beside the head */
  readonly savedModules: ReadonlyArray<string>
  /** what `base_model_name_or_path` should say */
  readonly base: string
}

export const peftConfig = (
  layout: PeftLayout<unknown>,
  { model, config, sites, steps, stored, savedModules, base }: PeftSource
): Readonly<Record<string, unknown>> => {
  const module = (site: string) => exportedName(model, site)
  const ofHead = isCausal(model) ? [] : model.head.modulesToSave
  const tied = savedModules.flatMap((name) => tiedTo(model, `${name}.weight`) ?? [])
  const modulesToSave = [...ofHead, ...[...savedModules, ...tied.map(moduleOf)].map(module)]
  return {
    task_type: taskType(model),
    base_model_name_or_path: base,
    target_modules: sites.map(({ site }) => module(site.name)),
    modules_to_save: modulesToSave.length === 0 ? null : modulesToSave,
    ...layout.config({ options: selectionOf(config).options, sites, steps, module, stored }),
    // linear weights of such a class are stored [in, out]
    ...(isCausal(model) && model.fanInFanOut ? { fan_in_fan_out: true } : {}),
    inference_mode: true
  }
}

const moduleOf = (parameter: string): string => parameter.slice(0, parameter.lastIndexOf("."))

const taskType = (model: ExportedModel): string => {
  if (isCausal(model)) return "CAUSAL_LM"
  return model.head.pooling === "pooler" ? "SEQ_CLS" : "FEATURE_EXTRACTION"
}
