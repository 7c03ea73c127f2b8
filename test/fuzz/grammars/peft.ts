/** Folders of PEFT: configurations with patterns over a file of factors, sound or nearly so. */
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { Device } from "../../../src/device/index.ts"
import { readPeftAdapter } from "../../../src/peft/index.ts"
import { readTensors, writeSafetensors } from "../../../src/safetensors/index.ts"
import { loadAdapter } from "../../../src/trained/index.ts"
import { among, list, type Made, object, one, optional, seldom, size, sound, text } from "../grammar.ts"
import { below, jsonText } from "../mutate.ts"
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
  r: seldom<unknown>(4, one<unknown>(size, among(null)), among(4)),
  lora_alpha: seldom<unknown>(4, one<unknown>(size, among(null)), among(6, 1.5)),
  lora_dropout: optional(among<unknown>(0, 0.1, 1, -1, null)),
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

/** The base, with a tokenizer of a few words. */
const baseIn = (folder: string): string => {
  const base = join(folder, "base")
  for (const name of ["config.json", "model.safetensors"]) cpSync(golden(`models/bert/${name}`), join(base, name))
  const words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "good", "film"]
  const vocab = Object.fromEntries(words.map((word, i) => [word, i]))
  const tokenizer = {
    version: "1.0",
    added_tokens: words.slice(0, 4).map((content, id) => ({ id, content, special: true })),
    normalizer: { type: "BertNormalizer", lowercase: true },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: null,
    decoder: null,
    model: { type: "WordPiece", vocab, unk_token: "[UNK]", max_input_chars_per_word: 100 }
  }
  writeFileSync(join(base, "tokenizer.json"), JSON.stringify(tokenizer))
  return base
}

const FILE = "adapter_model.safetensors"
const modules = ["pooler.dense", "classifier"].map((module) =>
  ["weight", "bias"].map((name) => `base_model.model.${module === "classifier" ? "" : "bert."}${module}.${name}`)
)

/** Folders of PEFT that lack a file, some tensors, or have others under their names; those that are read are put over their base. */
export const peftFolders: Target = (folder) => {
  const adapter = join(folder, "adapter")
  cpSync(golden("peft/bert-regex"), adapter, { recursive: true })
  const base = baseIn(folder)
  const file = join(adapter, "adapter_config.json")
  const sound = JSON.parse(readFileSync(file, "utf8"))
  return (random) =>
    Effect.gen(function* () {
      const whole = [...(yield* readTensors(golden(`peft/bert-regex/${FILE}`)))]
      const kept = random() < 0.3 ? whole.filter(() => random() < 0.97) : whole
      const tensors = kept.map(([name, tensor]) => {
        const [other] = random() < 0.003 ? whole[below(whole.length, random)]! : [name]
        const shape = random() < 0.003 ? [tensor.data.length] : tensor.shape
        return [other, { ...tensor, shape }] as const
      })
      const content = Object.fromEntries(tensors)
      yield* writeSafetensors(join(adapter, FILE), content)
      writeFileSync(file, random() < 0.6 ? jsonText(config(random), random) : JSON.stringify(sound))
      if (random() < 0.03) rmSync(file)
      const read = yield* readPeftAdapter(adapter)
      if (random() < 0.5) return read
      const { adapted } = yield* loadAdapter(adapter, { base }).pipe(Effect.provide(Device.layer("cpu")))
      const parted = modules.filter((names) => new Set(names.map((name) => name in content)).size > 1)
      if (parted.length > 0) throw new Error(`a part of ${parted.join(" and ")} is missing, and the adapter is loaded`)
      return adapted
    })
}
