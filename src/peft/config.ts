/**
 * Reads `adapter_config.json` as Hugging Face PEFT 0.21 writes it, and reports every setting that is not supported at once.
 *
 * A key that is not read is accepted while it has PEFT's default value (null, false, an empty list or object, or the value below), since PEFT adds keys
 * with every release. Any other value would mean a model that computes something else, so it is rejected by name.
 */
import { type AdapterMethod, methods, type PeftBounds, type PeftReading, type PeftSizes } from "../../adapters/index.ts"
import { cut, isRecord, limit, overLimit, quoted, wholeNumber } from "../boundary/index.ts"
import { type TaskType, taskTypes } from "../models/index.ts"
import type { Matching } from "./matching.ts"

export interface PeftConfig {
  readonly reading: PeftReading
  /** names of the tensors that all layers share, after the prefix `base_model.` */
  readonly shared: ReadonlyArray<string>
  /** task type; null if the file names none */
  readonly task: TaskType | null
  /** `base_model_name_or_path`: a folder, or owner/name; null if the file names no base */
  readonly base: string | null
  /** class of the adapted model, if the file names it */
  readonly className: string | null
  readonly matching: Matching
  readonly modulesToSave: ReadonlyArray<string>
  /** the method's fields of the plan's `adapter` section */
  readonly section: Readonly<Record<string, unknown>>
  /** rank and α by layer; absent: all layers use those of the section */
  readonly sizes?: PeftSizes
}

/** Keys that are read below, or that do not affect the result of an adapter of any method. */
const known = [
  "peft_type task_type base_model_name_or_path target_modules exclude_modules layers_to_transform layers_pattern",
  "modules_to_save bias init_lora_weights",
  // who wrote it, of which base, and how it was begun
  "auto_mapping peft_version revision inference_mode eva_config loftq_config corda_config lora_ga_config runtime_config",
  // what a linear layer's class decides, and PEFT corrects by itself
  "fan_in_fan_out ensure_weight_tying",
  // of features that other keys turn on
  "megatron_core qalora_group_size"
].flatMap((line) => line.split(" "))

/** Initializations that change the base's weights, so that the factors over the published base are a different model. */
const changesTheBase = /^(pissa|olora|loftq|corda|lora_ga|milora)/

/** Other adapters of PEFT, for a more precise error message. */
const others: Readonly<Record<string, string>> = {
  PROMPT_TUNING: "trained prompts",
  P_TUNING: "trained prompts",
  PREFIX_TUNING: "trained prefixes",
  IA3: "vectors that scale activations",
  LOKR: "Kronecker products of factors"
}

const isUnasked = (value: unknown): boolean =>
  value === null ||
  value === false ||
  (Array.isArray(value) && value.length === 0) ||
  (isRecord(value) && Object.keys(value).length === 0)

const layouts = Object.values<AdapterMethod<never>>(methods).flatMap(({ peft }) => peft.layout ?? [])

/** Reads the JSON value of adapter_config.json, or returns everything invalid or not supported, each as the end of a sentence. */
export const peftConfigOf = (
  json: unknown
): { readonly config: PeftConfig } | { readonly problems: ReadonlyArray<string> } => {
  if (!isRecord(json)) return { problems: ["is not a JSON object"] }
  const { peft_type: type } = json
  if (typeof type !== "string") return { problems: ['has no "peft_type", so it is not an adapter_config.json of PEFT'] }
  const layout = layouts.find(({ reading }) => reading.type === type && reading.isOwn?.(json) !== false)
  if (layout === undefined) {
    const what = Object.hasOwn(others, type) ? ` (${others[type]})` : ""
    const types = [...new Set(layouts.map(({ reading }) => JSON.stringify(reading.type)))]
    const expected = `${types.slice(0, -1).join(", ")} or ${types.at(-1)}`
    return { problems: [`peft_type: found ${valueText(type)}${what}; expected ${expected}`] }
  }
  const { reading, shared } = layout
  const read = fieldsOf(json)
  const config: PeftConfig = {
    reading,
    shared,
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
    ...reading.section(read)
  }
  const problems = [
    ...read.problems,
    ...unsupported(json, [...known, ...reading.unread.split(" "), ...read.readFields])
  ]
  return problems.length === 0 ? { config } : { problems }
}

const classNameIn = (mapping: unknown): string | null => {
  const name = isRecord(mapping) ? mapping["base_model_class"] : undefined
  return typeof name === "string" ? name : null
}

const unsupported = (json: Readonly<Record<string, unknown>>, fields: ReadonlyArray<string>): ReadonlyArray<string> => {
  const { bias = "none", init_lora_weights: init } = json
  const further = Object.entries(json).filter(([key, value]) => !fields.includes(key) && !isUnasked(value))
  return [
    ...(bias === "none"
      ? []
      : [`bias: found ${valueText(bias)}; training biases in addition to LoRA is not supported`]),
    ...(typeof init === "string" && changesTheBase.test(init)
      ? [
          `init_lora_weights: found ${valueText(init)}, which changes the base's weights when PEFT loads it; save the adapter as plain LoRA in Python (save_pretrained with path_initial_model_for_weight_conversion)`
        ]
      : []),
    ...further.map(([key, value]) => `${quoted(key)}: found ${valueText(value)}, which is not supported`)
  ]
}

const valueText = (value: unknown): string => cut(JSON.stringify(value) ?? "nothing", 60)

/** Accessors for the fields of a configuration, which record the fields that a method reads and the problems found. */
const fieldsOf = (json: Readonly<Record<string, unknown>>) => {
  const problems: Array<string> = []
  const readFields: Array<string> = []
  const wrong = <T>(name: string, value: unknown, expected: string, instead: T): T => {
    problems.push(`${name}: found ${valueText(value)}; expected ${expected}`)
    return instead
  }
  const tooLong = (name: string, length: number): boolean => {
    if (length <= limit("adapter-patterns")) return false
    problems.push(`${name}: has ${wholeNumber(length)} entries, more than ${overLimit("adapter-patterns")}`)
    return true
  }
  const isNumber = (
    value: unknown,
    { least = 0, above = -1, below = Number.POSITIVE_INFINITY, whole }: PeftBounds
  ): value is number =>
    typeof value === "number" &&
    Number.isFinite(value) &&
    value >= least &&
    value > above &&
    value < below &&
    (whole === undefined || Number.isSafeInteger(value))
  const inWords = ({ least = 0, above, below, whole }: PeftBounds): string =>
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
    readFields,
    list,
    /** Reads a list, or a regular expression (a string). */
    names: (name: string) => (typeof json[name] === "string" ? json[name] : list(name)),
    text: (name: string) => {
      const value = json[name] ?? null
      return value === null || typeof value === "string" ? value : wrong(name, value, "a text", null)
    },
    flag: (name: string) => {
      readFields.push(name)
      const value = json[name] ?? false
      return typeof value === "boolean" ? value : wrong(name, value, "true or false", false)
    },
    choice: <T extends string>(name: string, allowed: ReadonlyArray<T>) => {
      const value = json[name] ?? null
      const allowedValue = allowed.find((one) => one === value) ?? null
      const words = allowed.map((one) => JSON.stringify(one)).join(", ")
      return allowedValue !== null || value === null ? allowedValue : wrong(name, value, `${words} or null`, null)
    },
    /** Rejects null as PEFT does: its default applies to absent fields only. */
    number: (name: string, otherwise: number, bounds: PeftBounds) => {
      readFields.push(name)
      const value = Object.hasOwn(json, name) ? json[name] : otherwise
      return isNumber(value, bounds) ? value : wrong(name, value, inWords(bounds), otherwise)
    },
    numbers: (name: string, bounds: PeftBounds): Readonly<Record<string, number>> => {
      readFields.push(name)
      const value = json[name] ?? {}
      if (!isRecord(value)) return wrong(name, value, "an object of numbers", {})
      const entries = Object.entries(value)
      if (tooLong(name, entries.length)) return {}
      const bad = entries.find(([, one]) => !isNumber(one, bounds))
      if (bad !== undefined) return wrong(`${name}.${quoted(bad[0])}`, bad[1], inWords(bounds), {})
      return value as Record<string, number>
    },
    /** Reads indices of layers; null: all layers. */
    layers: (name: string): ReadonlyArray<number> | null => {
      const value = json[name] ?? []
      const layers = Array.isArray(value) ? value : [value]
      if (!layers.every((one) => isNumber(one, { least: 0, whole: true }))) {
        return wrong(name, value, "a layer number or a list of layer numbers", null)
      }
      return tooLong(name, layers.length) || layers.length === 0 ? null : layers
    }
  }
}
