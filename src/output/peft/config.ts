/**
 * `adapter_config.json` as Hugging Face PEFT 0.21 reads it: common fields and the method's own fields. Also the names of modules in PEFT's files.
 *
 * Targets are full module names: a suffix such as `dense` would make PEFT adapt the pooler too, with random factors.
 */
import type { PeftLayout, SelectedSite, SiteTensors } from "../../../adapters/index.ts"
import type { ExportedModel } from "../../models/index.ts"
import type { HostTensor } from "../../safetensors/index.ts"

export interface PeftSource {
  readonly model: ExportedModel
  /** the method's options, before overrides */
  readonly options: object
  readonly sites: ReadonlyArray<SelectedSite<unknown>>
  readonly steps: number
  /** returns the stored tensors of a site */
  readonly stored: (site: string) => SiteTensors<HostTensor>
  /** modules trained as a whole in addition to the head */
  readonly savedModules: ReadonlyArray<string>
  /** value of `base_model_name_or_path` */
  readonly base: string
}

/** Returns the adapter_config.json of an adapter in PEFT's format. */
export const peftConfig = (
  layout: PeftLayout<unknown>,
  { model, options, sites, steps, stored, savedModules, base }: PeftSource
): Readonly<Record<string, unknown>> => {
  const { task, nameOf: module, modulesToSave: ofHead, tiedTo, fanInFanOut } = model.exported
  // PEFT gives a module to save weights of its own and ties nothing to them again, so both have to be saved
  const tied = savedModules.flatMap((name) => tiedTo(`${name}.weight`))
  const modulesToSave = [...ofHead, ...[...savedModules, ...tied.map(moduleOf)].map(module)]
  return {
    task_type: task,
    base_model_name_or_path: base,
    target_modules: sites.map(({ site }) => module(site.name)),
    modules_to_save: modulesToSave.length === 0 ? null : modulesToSave,
    ...layout.config({ options, sites, steps, module, stored }),
    // linear weights of such a class are stored [in, out]
    ...(fanInFanOut ? { fan_in_fan_out: true } : {}),
    inference_mode: true
  }
}

const moduleOf = (parameter: string): string => parameter.slice(0, parameter.lastIndexOf("."))
