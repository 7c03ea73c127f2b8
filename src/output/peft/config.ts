/**
 * `adapter_config.json` as Hugging Face PEFT 0.21 reads it.
 *
 * Targets are written as full module names: a suffix like `dense` would make PEFT adapt the pooler too, and leave its factors
 * at random. Ranks and alphas that differ from the first ones go into `rank_pattern` and `alpha_pattern` under the same names.
 */
import type { LoraOptions, SelectedSite } from "../../adapters/index.ts"
import type { LoraConfig } from "../../schemas/index.ts"
import type { ModelDescription } from "../models/index.ts"
import { exportedName } from "./peft-layout.ts"

export interface PeftSource {
  readonly model: ModelDescription
  readonly config: LoraConfig
  readonly sites: ReadonlyArray<SelectedSite<LoraOptions>>
  /** modules trained themselves beside the head */
  readonly savedModules: ReadonlyArray<string>
  /** what `base_model_name_or_path` should say */
  readonly base: string
}

export const peftConfig = ({ model, config, sites, savedModules, base }: PeftSource) => {
  const pattern = (key: "rank" | "alpha") =>
    Object.fromEntries(
      sites
        .filter(({ options }) => options[key] !== config[key])
        .map(({ site, options }) => [exportedName(model, site.name), options[key]])
    )
  const modulesToSave = [...model.head.modulesToSave, ...savedModules.map((name) => exportedName(model, name))]
  return {
    peft_type: "LORA",
    task_type: model.head.pooling === "pooler" ? "SEQ_CLS" : "FEATURE_EXTRACTION",
    base_model_name_or_path: base,
    r: config.rank,
    lora_alpha: config.alpha,
    use_rslora: config.scaling === "rank-stabilized",
    target_modules: sites.map(({ site }) => exportedName(model, site.name)),
    rank_pattern: pattern("rank"),
    alpha_pattern: pattern("alpha"),
    modules_to_save: modulesToSave.length === 0 ? null : modulesToSave,
    lora_dropout: config.dropout,
    bias: "none",
    fan_in_fan_out: false,
    init_lora_weights: true,
    use_dora: false,
    inference_mode: true
  }
}
