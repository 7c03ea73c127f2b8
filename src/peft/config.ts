/**
 * `adapter_config.json` as Hugging Face PEFT 0.21 writes it: what is read of it, and everything that cannot be honoured, reported at once.
 *
 * A key that is not read is no problem while its value is the one that PEFT gives it by default (null, false, an
 * empty list or object, or the value below): PEFT adds some with every release. Any other value would mean a model that computes
 * something else, so it is refused by name.
 */
import { cut, limit, overLimit, quoted } from "../boundary/index.ts"
import { isRecord } from "../files/index.ts"
import { type TaskType, taskTypes } from "../models/index.ts"
import type { Matching } from "./matching.ts"

/** The kinds of adapters that are read; a plan calls them differently. */
export type PeftType = "LORA" | "ADALORA" | "VERA"

export interface PeftConfig {
  readonly type: PeftType
  /** null: none is named */
  readonly task: TaskType | null
  /** `base_model_name_or_path`: a folder, or owner/name; null where it says none */
  readonly base: string | null
  /** the class that was adapted, where the file says it */
  readonly className: string | null
  readonly matching: Matching
  readonly modulesToSave: ReadonlyArray<string>
  readonly rank: number
  readonly alpha: number
  readonly dropout: number
  readonly rankStabilized: boolean
  readonly dora: boolean
  readonly rankPattern: Readonly<Record<string, number>>
  readonly alphaPattern: Readonly<Record<string, number>>
  /** AdaLoRA's rank at the start, and at the end on average */
  readonly ranks: { readonly initial: number; readonly target: number }
  /** VeRA's */
  readonly projection: { readonly key: number; readonly dInitial: number; readonly saved: boolean }
}

/** Read below, or of no consequence for what an adapter computes over its base. */
const known = new Set(
  [
    "peft_type task_type base_model_name_or_path target_modules exclude_modules layers_to_transform layers_pattern",
    "modules_to_save r lora_alpha lora_dropout use_rslora use_dora rank_pattern alpha_pattern bias init_lora_weights",
    // AdaLoRA's and VeRA's
    "init_r target_r beta1 beta2 deltaT tinit tfinal orth_reg_weight total_step",
    "projection_prng_key save_projection vera_dropout d_initial init_weights",
    // who wrote it, of which base, and how it was begun
    "auto_mapping peft_version revision inference_mode eva_config loftq_config corda_config lora_ga_config runtime_config",
    // what a linear layer's class decides, and PEFT corrects by itself
    "fan_in_fan_out ensure_weight_tying",
    // of features that other keys turn on
    "megatron_core qalora_group_size"
  ].flatMap((line) => line.split(" "))
)

/** Inits that change the base's weights, so that the factors alone, over the base as it is published, are another model. */
const changesTheBase = /^(pissa|olora|loftq|corda|lora_ga|milora)/

/** Other adapters of PEFT, for a sentence that says more than "found". */
const others: Readonly<Record<string, string>> = {
  PROMPT_TUNING: "prompts that are trained",
  P_TUNING: "prompts that are trained",
  PREFIX_TUNING: "prefixes that are trained",
  IA3: "vectors that scale activations",
  LOHA: "Hadamard products of factors",
  LOKR: "Kronecker products of factors"
}

const isUnasked = (value: unknown): boolean =>
  value === null ||
  value === false ||
  (Array.isArray(value) && value.length === 0) ||
  (isRecord(value) && Object.keys(value).length === 0)

/** Reads the JSON value of adapter_config.json, or says everything that is wrong with it or not supported, each the end of a sentence. */
export const peftConfigOf = (
  json: unknown
): { readonly config: PeftConfig } | { readonly problems: ReadonlyArray<string> } => {
  if (!isRecord(json)) return { problems: ["is no JSON object"] }
  const { peft_type: type } = json
  if (typeof type !== "string") return { problems: ['has no "peft_type", so it is no adapter_config.json of PEFT'] }
  if (type !== "LORA" && type !== "ADALORA" && type !== "VERA") {
    const what = Object.hasOwn(others, type) ? ` (${others[type]})` : ""
    return { problems: [`peft_type: found ${shown(type)}${what}; expected "LORA", "ADALORA" or "VERA"`] }
  }
  const read = reading(json)
  const adalora = type === "ADALORA"
  const config: PeftConfig = {
    type,
    task: read.choice("task_type", taskTypes),
    base: read.text("base_model_name_or_path"),
    className: classNameIn(json["auto_mapping"]),
    matching: {
      targets: read.names("target_modules"),
      exclude: read.names("exclude_modules"),
      layers: read.layers("layers_to_transform"),
      layersPattern: read.list("layers_pattern")
    },
    modulesToSave: read.list("modules_to_save"),
    rank: read.number("r", 8, { least: 1, whole: true }),
    alpha: read.number("lora_alpha", 8, { above: 0 }),
    dropout: read.number(type === "VERA" ? "vera_dropout" : "lora_dropout", 0, { least: 0, below: 1 }),
    rankStabilized: read.flag("use_rslora"),
    dora: read.flag("use_dora"),
    // AdaLoRA's holds lists of booleans: which triplets are left. The file has the same by its shapes
    rankPattern: adalora ? {} : read.numbers("rank_pattern", { least: 1, whole: true }),
    alphaPattern: adalora ? {} : read.numbers("alpha_pattern", { above: 0 }),
    ranks: {
      initial: read.number("init_r", 12, { least: 1, whole: true }),
      target: read.number("target_r", 8, { least: 1, whole: true })
    },
    projection: {
      key: read.number("projection_prng_key", 0, { least: 0, whole: true }),
      dInitial: read.number("d_initial", 0.1, { above: 0 }),
      saved: json["save_projection"] !== false
    }
  }
  const problems = [...read.problems, ...unsupported(json)]
  return problems.length === 0 ? { config } : { problems }
}

const classNameIn = (mapping: unknown): string | null => {
  const name = isRecord(mapping) ? mapping["base_model_class"] : undefined
  return typeof name === "string" ? name : null
}

const unsupported = (json: Readonly<Record<string, unknown>>): ReadonlyArray<string> => {
  const { bias = "none", init_lora_weights: init } = json
  const further = Object.entries(json).filter(([key, value]) => !known.has(key) && !isUnasked(value))
  return [
    ...(bias === "none" ? [] : [`bias: found ${shown(bias)}; biases that are trained beside LoRA are not supported`]),
    ...(typeof init === "string" && changesTheBase.test(init)
      ? [
          `init_lora_weights: found ${shown(init)}, which changes the base's weights when PEFT loads it; save the adapter as plain LoRA in Python (save_pretrained with path_initial_model_for_weight_conversion)`
        ]
      : []),
    ...further.map(([key, value]) => `${quoted(key)}: found ${shown(value)}, which is not supported`)
  ]
}

const shown = (value: unknown): string => cut(JSON.stringify(value) ?? "nothing", 60)

interface Bounds {
  readonly least?: number
  readonly above?: number
  readonly below?: number
  readonly whole?: true
}

/** The fields of a configuration, each by its name, and what was wrong with them. */
const reading = (json: Readonly<Record<string, unknown>>) => {
  const problems: Array<string> = []
  const wrong = <T>(name: string, value: unknown, expected: string, instead: T): T => {
    problems.push(`${name}: found ${shown(value)}; expected ${expected}`)
    return instead
  }
  const tooLong = (name: string, length: number): boolean => {
    if (length <= limit("adapter-patterns")) return false
    problems.push(`${name}: has ${length.toLocaleString("en")} entries, more than ${overLimit("adapter-patterns")}`)
    return true
  }
  const isNumber = (
    value: unknown,
    { least = 0, above = -1, below = Number.POSITIVE_INFINITY, whole }: Bounds
  ): value is number =>
    typeof value === "number" &&
    Number.isFinite(value) &&
    value >= least &&
    value > above &&
    value < below &&
    (whole === undefined || Number.isSafeInteger(value))
  const inWords = ({ least = 0, above, below, whole }: Bounds): string =>
    `${whole ? "an integer" : "a number"} ${above === undefined ? `of at least ${least}` : `above ${above}`}${below === undefined ? "" : ` and below ${below}`}`
  const list = (name: string): ReadonlyArray<string> => {
    const value = json[name] ?? []
    if (typeof value === "string") return [value]
    if (!Array.isArray(value) || !value.every((one) => typeof one === "string")) {
      return wrong(name, value, "a list of names", [])
    }
    return tooLong(name, value.length) ? [] : value
  }
  return {
    problems,
    list,
    /** A list, or a regular expression (a string). */
    names: (name: string) => (typeof json[name] === "string" ? json[name] : list(name)),
    text: (name: string) => {
      const value = json[name] ?? null
      return value === null || typeof value === "string" ? value : wrong(name, value, "a text", null)
    },
    flag: (name: string) => {
      const value = json[name] ?? false
      return typeof value === "boolean" ? value : wrong(name, value, "true or false", false)
    },
    choice: <T extends string>(name: string, allowed: ReadonlyArray<T>) => {
      const value = json[name] ?? null
      const found = allowed.find((one) => one === value) ?? null
      const words = allowed.map((one) => JSON.stringify(one)).join(", ")
      return found !== null || value === null ? found : wrong(name, value, `${words} or null`, null)
    },
    /** PEFT fails on null, too: its default is for a field that is left out. */
    number: (name: string, otherwise: number, bounds: Bounds) => {
      const value = Object.hasOwn(json, name) ? json[name] : otherwise
      return isNumber(value, bounds) ? value : wrong(name, value, inWords(bounds), otherwise)
    },
    numbers: (name: string, bounds: Bounds): Readonly<Record<string, number>> => {
      const value = json[name] ?? {}
      if (!isRecord(value)) return wrong(name, value, "an object of numbers", {})
      const entries = Object.entries(value)
      if (tooLong(name, entries.length)) return {}
      const bad = entries.find(([, one]) => !isNumber(one, bounds))
      if (bad !== undefined) return wrong(`${name}.${quoted(bad[0])}`, bad[1], inWords(bounds), {})
      return value as Record<string, number>
    },
    /** null: all layers */
    layers: (name: string): ReadonlyArray<number> | null => {
      const value = json[name] ?? []
      const layers = Array.isArray(value) ? value : [value]
      if (!layers.every((one) => isNumber(one, { least: 0, whole: true }))) {
        return wrong(name, value, "a layer's number or a list of them", null)
      }
      return tooLong(name, layers.length) || layers.length === 0 ? null : layers
    }
  }
}
