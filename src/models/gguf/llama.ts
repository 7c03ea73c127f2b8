/** Llama and the families of its shape: Mistral (which llama.cpp calls "llama" too), Qwen2, Qwen3, Phi-3. */
import { type Architecture, type ConfigSource, vocabularyConfig } from "./architecture.ts"
import type { Fields } from "./fields.ts"
import { partialFactor, rotaryParameters } from "./rotary.ts"
import { unpermuteRows } from "./undo.ts"

export const decoderOutside = {
  token_embd: "model.embed_tokens",
  output_norm: "model.norm",
  output: "lm_head"
} as const

const inside = {
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

/** The sizes of a decoder with rotary positions and RMS norms. */
export const decoderSizes = (source: ConfigSource) => {
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

const keyValueHeads = (fields: Fields): number =>
  fields.size(
    fields.value("attention.head_count_kv") === undefined ? "attention.head_count" : "attention.head_count_kv"
  )

/** Columns of a head that rotary positions turn. */
const rotaryColumns = (fields: Fields, headDim: number): number =>
  fields.value("rope.dimension_count") === undefined ? headDim : fields.size("rope.dimension_count")

const refuseExperts = (fields: Fields): void => {
  const experts = fields.value("expert_count") ?? 0
  if (experts !== 0) fields.note(`is a mixture of ${experts} experts, which is not read here`)
}

/** The converter moves a Llama's rows by whole heads, which leaves no order for a part of one. */
const wholeHeads = (fields: Fields, headDim: number): void => {
  const rotary = rotaryColumns(fields, headDim)
  if (!Number.isNaN(headDim) && rotary !== headDim)
    fields.note(`rotary positions on ${rotary} of a head's ${headDim} columns; expected all of them`)
}

const shared = (source: ConfigSource, modelType: string, className: string) => {
  const sizes = decoderSizes(source)
  refuseExperts(source.fields)
  const rotary = rotaryColumns(source.fields, sizes.head_dim)
  return {
    ...sizes,
    model_type: modelType,
    architectures: [className],
    hidden_act: "silu",
    rope_parameters: {
      ...rotaryParameters(source, rotary),
      ...(rotary === sizes.head_dim ? {} : { partial_rotary_factor: partialFactor(rotary, sizes.head_dim) })
    }
  }
}

const noUndo = () => undefined

export const llama: Architecture = {
  outside: decoderOutside,
  inside,
  blockPrefix: "model.layers.",
  withoutCounterpart: ["rope_freqs.weight"],
  config: (source) => {
    const { header, fields } = source
    const window = fields.value("attention.sliding_window")
    const base = window === undefined ? shared(source, "llama", "LlamaForCausalLM") : mistral(source, window)
    wholeHeads(fields, base.head_dim)
    const attentionBias = header.tensors.has("blk.0.attn_q.bias")
    return { ...base, attention_bias: attentionBias, mlp_bias: header.tensors.has("blk.0.ffn_up.bias") }
  },
  undo: (name, shape, fields) => {
    const heads = rowHeads(name, fields)
    if (heads === undefined) return undefined
    return { shape, values: (data) => unpermuteRows(data, heads, shape[1] ?? 1) }
  }
}

const mistral = (source: ConfigSource, window: unknown) => ({
  ...shared(source, "mistral", "MistralForCausalLM"),
  sliding_window: window
})

/** How many heads the rows of a tensor are, where the converter moved them. */
const rowHeads = (name: string, fields: Fields): number | undefined => {
  if (/\.attn_q\.(weight|bias)$/.test(name)) return fields.size("attention.head_count")
  return /\.attn_k\.(weight|bias)$/.test(name) ? keyValueHeads(fields) : undefined
}

export const qwen2: Architecture = {
  ...llama,
  withoutCounterpart: [],
  config: (source) => ({
    ...shared(source, "qwen2", "Qwen2ForCausalLM"),
    use_sliding_window: false,
    sliding_window: null
  }),
  undo: noUndo
}

export const qwen3: Architecture = {
  ...llama,
  inside: { ...inside, attn_q_norm: "self_attn.q_norm", attn_k_norm: "self_attn.k_norm" },
  withoutCounterpart: [],
  config: (source) => ({
    ...shared(source, "qwen3", "Qwen3ForCausalLM"),
    attention_bias: false,
    use_sliding_window: false,
    sliding_window: null
  }),
  undo: noUndo
}

export const phi3: Architecture = {
  outside: decoderOutside,
  inside: {
    attn_norm: "input_layernorm",
    attn_qkv: "self_attn.qkv_proj",
    attn_output: "self_attn.o_proj",
    ffn_norm: "post_attention_layernorm",
    ffn_up: "mlp.gate_up_proj",
    ffn_down: "mlp.down_proj"
  },
  blockPrefix: "model.layers.",
  withoutCounterpart: ["rope_factors_long.weight", "rope_factors_short.weight"],
  config: (source) => ({
    ...shared(source, "phi3", "Phi3ForCausalLM"),
    // the converter writes 0 where there is none
    sliding_window: source.fields.value("attention.sliding_window") || null
  }),
  undo: noUndo
}
