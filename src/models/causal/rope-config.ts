/**
 * What a config.json says of rotary positions. It has two spellings: `rope_parameters: { rope_type, rope_theta, … }` since transformers 5,
 * and before `rope_theta` beside `rope_scaling: { type or rope_type, … } | null`. Scalings that nobody computes here are refused.
 */
import * as Schema from "effect/Schema"
import { Count } from "../encoder-config.ts"
import { maybe, Positive } from "./config-reader.ts"
import type { Rope } from "./rotary-rows.ts"

export const RopeFile = Schema.Struct({
  rope_type: maybe(Schema.String),
  type: maybe(Schema.String),
  rope_theta: maybe(Positive),
  factor: maybe(Positive),
  low_freq_factor: maybe(Positive),
  high_freq_factor: maybe(Positive),
  original_max_position_embeddings: maybe(Count),
  partial_rotary_factor: maybe(Positive)
})
type RopeFile = typeof RopeFile.Type

const ROPE_TYPES = ["default", "linear", "llama3"]

/** What a file says of rotary positions, and why it is refused: then they are those without a scaling. */
export interface FoundRope {
  readonly rope: Rope
  readonly problems: ReadonlyArray<string>
}

export const ropeOf = (file: RopeFile | null | undefined, theta: number, where: string): FoundRope => {
  const at = `config.json: ${where}`
  const type = file?.rope_type ?? file?.type ?? "default"
  const plain: Rope = { theta: file?.rope_theta ?? theta, scaling: null }
  const partial = file?.partial_rotary_factor ?? 1
  const part = `${at}: partial_rotary_factor ${partial}; only 1 is supported`
  const problems = partial === 1 ? [] : [part]
  if (type === "default" || file == null) return { rope: plain, problems }
  if (!ROPE_TYPES.includes(type)) {
    const sentence = `${at}: rope_type ${JSON.stringify(type)}; supported are ${ROPE_TYPES.join(", ")}`
    return { rope: plain, problems: [...problems, sentence] }
  }
  const { factor, low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings: original } = file
  const needed = type === "linear" ? { factor } : { factor, low_freq_factor: low, high_freq_factor: high, original }
  const missing = Object.entries(needed).flatMap(([name, value]) => (value == null ? [name] : []))
  if (missing.length > 0) {
    const names = missing.map((name) => (name === "original" ? "original_max_position_embeddings" : name)).join(", ")
    return { rope: plain, problems: [...problems, `${at}: rope_type "${type}" needs ${names}`] }
  }
  if (type === "linear") return { rope: { ...plain, scaling: { kind: "linear", factor: factor! } }, problems }
  const scaling = {
    kind: "llama3",
    factor: factor!,
    lowFrequencyFactor: low!,
    highFrequencyFactor: high!,
    original: original!
  } as const
  const order = `${at}: high_freq_factor ${high} is not larger than low_freq_factor ${low}`
  return { rope: { ...plain, scaling }, problems: high! > low! ? problems : [...problems, order] }
}

/** The rotary positions of a family that has them alike in all layers, in either spelling. */
export const oneRope = (file: {
  readonly rope_theta?: number | null | undefined
  readonly rope_scaling?: RopeFile | null | undefined
  readonly rope_parameters?: RopeFile | null | undefined
}): FoundRope => {
  const { rope_parameters: parameters, rope_scaling: scaling, rope_theta: theta } = file
  const where = parameters == null ? "rope_scaling" : "rope_parameters"
  return ropeOf(parameters ?? scaling, theta ?? 10_000, where)
}
