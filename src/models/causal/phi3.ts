/**
 * Phi-3 and Phi-4 (arXiv 2404.14219): a Llama with one projection for queries, keys and values, one for gate and up, and an optional
 * window. Long contexts are LongRoPE's, which older files call "su" or "yarn"; Phi-4-mini turns three quarters of a head's columns.
 *
 * @see transformers `Phi3ForCausalLM`
 */
import * as Schema from "effect/Schema"
import { decoderConfigReader } from "../config-reader.ts"
import { gatedArchitecture, gatedConfigJson } from "../gguf/gated.ts"
import type { RopeFile } from "../rope-config.ts"
import type { CausalFamily } from "./decoder.ts"
import { llamaFields, llamaLike } from "./gated-config.ts"
import { gatedFamily } from "./gated-decoder.ts"

const Phi3File = Schema.Struct(llamaFields)

/** transformers' own default */
const ORIGINAL_CONTEXT = 4_096

type Phi3Rope = typeof RopeFile.Type | null

const longRope = (rope: Phi3Rope = null): Phi3Rope =>
  rope !== null && ["su", "yarn"].includes(rope.rope_type ?? rope.type ?? "")
    ? { ...rope, rope_type: "longrope" }
    : rope

/** The file with transformers' own defaults, and its rotary positions by their present name. */
const completed = (file: typeof Phi3File.Type): typeof Phi3File.Type => {
  const { rope_parameters, rope_scaling, original_max_position_embeddings: original } = file
  return {
    ...file,
    rms_norm_eps: file.rms_norm_eps ?? 1e-5,
    rope_parameters: longRope(rope_parameters),
    rope_scaling: longRope(rope_scaling),
    original_max_position_embeddings:
      original ?? (rope_parameters ?? rope_scaling)?.original_max_position_embeddings ?? ORIGINAL_CONTEXT
  }
}

const phi3Architecture = gatedArchitecture({
  name: "phi3",
  inside: {
    attn_norm: "input_layernorm",
    attn_qkv: "self_attn.qkv_proj",
    attn_output: "self_attn.o_proj",
    ffn_norm: "post_attention_layernorm",
    ffn_up: "mlp.gate_up_proj",
    ffn_down: "mlp.down_proj"
  },
  withoutCounterpart: ["rope_factors_long.weight", "rope_factors_short.weight"],
  config: (source) => ({
    ...gatedConfigJson(source),
    // the converter writes 0 where there is no window
    sliding_window: source.fields.value("attention.sliding_window") || null
  })
})

/** Phi-3 and Phi-4-mini. */
export const phi3: CausalFamily = gatedFamily(
  "phi3",
  "Phi3ForCausalLM",
  decoderConfigReader(Phi3File, (file) => {
    const { config, problems } = llamaLike(completed(file))
    const window = file.sliding_window ?? null
    return {
      problems,
      config: { ...config, layers: config.layers.map((layer) => ({ ...layer, window })), fused: true }
    }
  }),
  phi3Architecture,
  { architecture: phi3Architecture, activation: "silu", biases: [], windows: null }
)
