/**
 * Gemma 2 and Gemma 3 (text). Two facts are not in the file, and llama.cpp knows them by the number of layers: attention is scaled by
 * hidden/heads instead of the head's length in Gemma 2 27B (46 layers) and Gemma 3 27B (62).
 */
import type { Architecture, ConfigSource } from "./architecture.ts"
import { decoderOutside, decoderSizes } from "./llama.ts"
import { rotaryParameters } from "./rotary.ts"
import { minusOne } from "./undo.ts"

const inside = {
  attn_norm: "input_layernorm",
  attn_q: "self_attn.q_proj",
  attn_k: "self_attn.k_proj",
  attn_v: "self_attn.v_proj",
  attn_output: "self_attn.o_proj",
  post_attention_norm: "post_attention_layernorm",
  ffn_norm: "pre_feedforward_layernorm",
  ffn_gate: "mlp.gate_proj",
  ffn_up: "mlp.up_proj",
  ffn_down: "mlp.down_proj",
  post_ffw_norm: "post_feedforward_layernorm"
} as const

/** `layersOf27B`: of the size whose attention is scaled differently. `period`: every so many layers one attends to everything. */
const shared = (source: ConfigSource, layersOf27B: number, period: number) => {
  const { fields } = source
  const sizes = decoderSizes(source)
  const layers = Number.isNaN(sizes.num_hidden_layers) ? 0 : sizes.num_hidden_layers
  const is27B = layers === layersOf27B
  return {
    ...sizes,
    hidden_activation: "gelu_pytorch_tanh",
    attention_bias: false,
    query_pre_attn_scalar: is27B ? sizes.hidden_size / sizes.num_attention_heads : sizes.head_dim,
    sliding_window: fields.size("attention.sliding_window"),
    layer_types: layerTypes(source, layers, period)
  }
}

/** A file may say which layers slide: a list of truths, or another period. */
const layerTypes = ({ fields }: ConfigSource, layers: number, usualPeriod: number): ReadonlyArray<string> => {
  const pattern = fields.value("attention.sliding_window_pattern")
  const period = typeof pattern === "number" && pattern > 0 ? pattern : usualPeriod
  const slides = (layer: number) =>
    Array.isArray(pattern) ? pattern[layer] === true || pattern[layer] === 1 : (layer + 1) % period !== 0
  return Array.from({ length: layers }, (_, layer) => (slides(layer) ? "sliding_attention" : "full_attention"))
}

const undo: Architecture["undo"] = (name, shape) =>
  name.endsWith("norm.weight") ? { shape, values: minusOne } : undefined

export const gemma2: Architecture = {
  outside: decoderOutside,
  inside,
  blockPrefix: "model.layers.",
  withoutCounterpart: [],
  config: (source) => {
    const config = shared(source, 46, 2)
    return {
      ...config,
      model_type: "gemma2",
      architectures: ["Gemma2ForCausalLM"],
      attn_logit_softcapping: source.fields.optionalReal("attn_logit_softcapping") ?? null,
      final_logit_softcapping: source.fields.optionalReal("final_logit_softcapping") ?? null,
      rope_parameters: rotaryParameters(source, config.head_dim)
    }
  },
  undo
}

/** the base of layers that slide, where a file names none */
const LOCAL_BASE = 10_000

export const gemma3: Architecture = {
  outside: decoderOutside,
  inside: { ...inside, attn_q_norm: "self_attn.q_norm", attn_k_norm: "self_attn.k_norm" },
  blockPrefix: "model.layers.",
  withoutCounterpart: [],
  config: (source) => {
    const config = shared(source, 62, 6)
    const local = source.fields.optionalReal("rope.freq_base_swa") ?? LOCAL_BASE
    return {
      ...config,
      model_type: "gemma3_text",
      architectures: ["Gemma3ForCausalLM"],
      attn_logit_softcapping: null,
      final_logit_softcapping: source.fields.optionalReal("final_logit_softcapping") ?? null,
      rope_parameters: {
        full_attention: rotaryParameters(source, config.head_dim),
        sliding_attention: { rope_theta: local, rope_type: "default" }
      }
    }
  },
  undo
}
