/** Folders of PEFT: configurations with patterns over a file of factors, sound or nearly so. */
import { cpSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { readPeftAdapter } from "../../../src/peft/index.ts"
import { among, list, type Made, object, one, optional, seldom, size, sound, text } from "../grammar.ts"
import { jsonText } from "../mutate.ts"
import { golden, type Target } from "../target.ts"

const patterns = among(
  "query",
  "value",
  "intermediate.dense",
  ".*",
  ".*\\.(?:query|value|intermediate\\.dense)",
  "(a*)*b",
  "(?i)query",
  "(?P<x>.*)(?P=x)",
  "[^]]",
  "{,3}",
  "\\",
  "(",
  "layer\\.\\d+.*",
  "constructor",
  "all-linear"
)
const name = seldom(6, text, patterns)
const names = one<unknown>(name, list(name, 4))
const numbers: Made<unknown> = (random) => Object.fromEntries(list(name, 4)(random).map((key) => [key, size(random)]))

const config = object({
  peft_type: sound(seldom(8, among("LOHA", "ADALORA", "VERA"), among("LORA"))),
  task_type: optional(sound(among<unknown>("SEQ_CLS", "CAUSAL_LM", null))),
  base_model_name_or_path: optional(text),
  r: seldom(4, size, among(4)),
  lora_alpha: seldom(4, size, among(6, 1.5)),
  lora_dropout: optional(among(0, 0.1, 1, -1)),
  target_modules: seldom(
    3,
    names,
    among<unknown>(".*\\.(?:query|value|intermediate\\.dense)", ["query", "value", "dense"])
  ),
  exclude_modules: optional(names, 0.2),
  modules_to_save: optional(seldom(3, names, among<unknown>(["pooler", "classifier"], null))),
  layers_to_transform: optional(one<unknown>(size, list(size, 3)), 0.2),
  layers_pattern: optional(names, 0.2),
  rank_pattern: seldom(4, numbers, among({ "layer\\.1\\..*\\.query": 2, value: 3 })),
  alpha_pattern: optional(numbers, 0.3),
  use_dora: optional(sound(among(false, true)), 0.2),
  use_rslora: optional(among(false, true)),
  bias: optional(among("none", "all"), 0.3),
  init_lora_weights: optional(among<unknown>(true, "pissa", "eva"), 0.3),
  auto_mapping: optional(sound(object({ base_model_class: text })), 0.3),
  another: optional(among<unknown>(null, [], {}, 1), 0.2)
})

export const peftFolders: Target = (folder) => {
  cpSync(golden("peft/bert-regex"), folder, { recursive: true })
  const file = join(folder, "adapter_config.json")
  return (random) => {
    writeFileSync(file, jsonText(config(random), random))
    return readPeftAdapter(folder)
  }
}
