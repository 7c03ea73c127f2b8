/**
 * What GGUF files of the families of `causal/gated-decoder.ts` share: their tensors' names, and config.json with its sizes and rotary
 * positions.
 */
import { quoted } from "../../boundary/index.ts"
import { type ConfigSource, type Fields, type GgufArchitecture, vocabularyConfig } from "./architecture.ts"

/** Names inside the blocks of a gated decoder. */
export const gatedBlockNames = {
  attn_norm: "input_layernorm",
  attn_q: "self_attn.q_proj",
  attn_k: "self_attn.k_proj",
  attn_v: "self_attn.v_proj",
  attn_output: "self_attn.o_proj",
  ffn_norm: "post_attention_layernorm",
  ffn_gate: "mlp.gate_proj",
  ffn_up: "mlp.up_proj",
  ffn_down: "mlp.down_proj"
} as const

/** Names of the norms of queries and keys. */
export const queryKeyNormNames = { attn_q_norm: "self_attn.q_norm", attn_k_norm: "self_attn.k_norm" } as const

/** Creates the architecture of a gated decoder: Llama's, with the overrides of `overrides`. */
export const gatedArchitecture = (
  overrides: Pick<GgufArchitecture, "name" | "config"> & Partial<GgufArchitecture>
): GgufArchitecture => ({
  outside: { token_embd: "model.embed_tokens", output_norm: "model.norm", output: "lm_head" },
  inside: gatedBlockNames,
  blockPrefix: "model.layers.",
  withoutCounterpart: [],
  undo: () => undefined,
  ...overrides
})

/** Returns the sizes of a decoder with rotary positions and RMS norms, as fields of config.json. */
export const gatedSizes = (source: ConfigSource) => {
  const { fields } = source
  const hidden = fields.size("embedding_length")
  const heads = fields.size("attention.head_count")
  const headDim = headDimOf(fields, hidden, heads)
  return {
    ...vocabularyConfig(source),
    hidden_size: hidden,
    intermediate_size: fields.size("feed_forward_length"),
    num_hidden_layers: fields.size("block_count"),
    num_attention_heads: heads,
    num_key_value_heads: keyValueHeads(fields),
    head_dim: headDim,
    rms_norm_eps: fields.real("attention.layer_norm_rms_epsilon"),
    max_position_embeddings: fields.size("context_length")
  }
}

const headDimOf = (fields: Fields, hidden: number, heads: number): number => {
  const named = fields.value("attention.key_length")
  if (named === undefined) return hidden / heads
  const values = fields.value("attention.value_length") ?? named
  if (named !== values)
    fields.note(`keys of length ${named} and values of length ${values}; expected one length for both`)
  return fields.size("attention.key_length")
}

/** Returns the number of key-value heads; default: as many as query heads. */
export const keyValueHeads = (fields: Fields): number =>
  fields.size(
    fields.value("attention.head_count_kv") === undefined ? "attention.head_count" : "attention.head_count_kv"
  )

/** Returns the number of columns of a head that are rotated. */
export const rotaryColumns = (fields: Fields, headDim: number): number =>
  fields.value("rope.dimension_count") === undefined ? headDim : fields.size("rope.dimension_count")

/** Returns config.json of a Llama-like family, without its names. */
export const gatedConfigJson = (source: ConfigSource) => {
  const { fields } = source
  const sizes = gatedSizes(source)
  const experts = fields.value("expert_count") ?? 0
  if (experts !== 0) fields.note(`is a mixture of ${experts} experts, which is not supported`)
  const rotary = rotaryColumns(fields, sizes.head_dim)
  return {
    ...sizes,
    hidden_act: "silu",
    rope_parameters: {
      ...rotaryParameters(source, rotary),
      ...(rotary === sizes.head_dim ? {} : { partial_rotary_factor: partialFactor(rotary, sizes.head_dim) })
    }
  }
}

/** Parameters of Llama 3.1, 3.2 and 3.3 that a file does not contain: it has factors of the frequencies instead. */
export const llama3 = { low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 }

/** llama.cpp's default */
const DEFAULT_BASE = 10_000

/** Tensor of Llama 3's frequency divisors. */
export const FREQUENCIES = "rope_freqs.weight"
/** Tensor of longrope's divisors for long texts. */
export const LONG = "rope_factors_long.weight"
/** Tensor of longrope's divisors for short texts. */
export const SHORT = "rope_factors_short.weight"

/** Tensors that are not weights but divisors of frequencies, one for each pair of columns. */
export const ROTARY_FACTORS: ReadonlyArray<string> = [FREQUENCIES, LONG, SHORT]

/** Returns `rope_parameters` of config.json. `rotary`: number of columns of a head that are rotated. */
export const rotaryParameters = (
  { fields, rotaryFactors }: ConfigSource,
  rotary: number
): Readonly<Record<string, unknown>> => {
  const base = fields.optionalReal("rope.freq_base") ?? DEFAULT_BASE
  const type = fields.value("rope.scaling.type") ?? "none"
  const parameters = { rope_theta: base }
  const frequencyFactors = rotaryFactors.get(FREQUENCIES)
  if (frequencyFactors !== undefined) {
    const factor = llama3Factor(frequencyFactors, base, rotary)
    if (factor !== undefined) return { ...parameters, rope_type: "llama3", factor, ...llama3 }
    fields.note(
      "tensor rope_freqs.weight holds factors that are not those of Llama 3.1 (low 1, high 4, original length 8192), and other factors are not supported"
    )
    return parameters
  }
  // Phi-3's converter names the type or leaves it out
  if (type === "longrope" || rotaryFactors.has(LONG) || rotaryFactors.has(SHORT)) {
    return { ...parameters, ...longRope(fields, rotaryFactors) }
  }
  if (type === "none") return { ...parameters, rope_type: "default" }
  if (type === "linear") return { ...parameters, rope_type: "linear", factor: fields.real("rope.scaling.factor") }
  if (type === "yarn") return { ...parameters, ...yarn(fields) }
  fields.note(
    `rotary scaling ${quoted(type)} is not read here; expected none, linear, yarn, longrope or Llama 3's factors`
  )
  return parameters
}

const longRope = (fields: Fields, factors: ConfigSource["rotaryFactors"]) => {
  const [short, long] = [factors.get(SHORT), factors.get(LONG)]
  if (short === undefined || long === undefined) {
    fields.note(
      `rotary scaling "longrope" needs the tensors ${SHORT} and ${LONG}; found ${[...factors.keys()].join(", ") || "none"}`
    )
  }
  return {
    rope_type: "longrope",
    original_max_position_embeddings: fields.size("rope.scaling.original_context_length"),
    short_factor: [...(short ?? [])],
    long_factor: [...(long ?? [])],
    ...named({ attention_factor: fields.optionalReal("rope.scaling.attn_factor") })
  }
}

const yarn = (fields: Fields) => {
  for (const key of ["rope.scaling.attn_factor", "rope.scaling.yarn_ext_factor"]) {
    const value = fields.optionalReal(key) ?? 1
    if (value !== 1) fields.note(`${key} is ${value}; with rotary scaling "yarn" only 1 is supported`)
  }
  const all = fields.optionalReal("rope.scaling.yarn_log_multiplier") ?? 0
  return {
    rope_type: "yarn",
    factor: fields.real("rope.scaling.factor"),
    original_max_position_embeddings: fields.size("rope.scaling.original_context_length"),
    ...named({
      attention_factor: fields.optionalReal("rope.scaling.yarn_attn_factor"),
      beta_fast: fields.optionalReal("rope.scaling.yarn_beta_fast"),
      beta_slow: fields.optionalReal("rope.scaling.yarn_beta_slow")
    }),
    // llama.cpp divides the result of the factor by that of the factor times this
    ...(all === 0 ? {} : { mscale: 1, mscale_all_dim: all })
  }
}

/** Only the values that a file names. */
const named = (values: Readonly<Record<string, number | undefined>>) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))

/** Returns `partial_rotary_factor` for `rotary` columns: transformers rounds its product with the head's width down. */
export const partialFactor = (rotary: number, headDim: number): number => {
  const share = rotary / headDim
  return Math.floor(headDim * share) === rotary ? share : share + Number.EPSILON
}

/**
 * The `factor` with which Llama 3's rule gives these factors of the frequencies; undefined where it does not:
 *
 *   wavelength < original/high: 1      > original/low: factor      between: 1/((1 − t)/factor + t), t = (original/wavelength − low)/(high − low)
 */
const llama3Factor = (factors: Float32Array, base: number, headDim: number): number | undefined => {
  if (factors.length !== headDim / 2) return undefined
  // five digits: what a config says, without the rounding of float32
  const factor = Number(factors.reduce((largest, value) => Math.max(largest, value), 1).toPrecision(5))
  const expected = llama3Factors(factor, base, headDim)
  // the converter computes in float32
  const close = (value: number, j: number) => Math.abs(value - expected[j]!) <= 1e-4 * expected[j]!
  return factors.every(close) ? factor : undefined
}

/** Returns the divisors of the frequencies of `columns` rotated columns, by Llama 3's rule. */
export const llama3Factors = (factor: number, base: number, columns: number): ReadonlyArray<number> => {
  const { low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings: original } = llama3
  return Array.from({ length: columns / 2 }, (_, j) => {
    const wavelength = 2 * Math.PI * base ** ((2 * j) / columns)
    const t = Math.min(1, Math.max(0, (original / wavelength - low) / (high - low)))
    return 1 / ((1 - t) / factor + t)
  })
}
