/** GPT-2: learned positions, and weights that transformers keeps [in, out]. */
import { type Architecture, vocabularyConfig } from "./architecture.ts"
import { transposed } from "./undo.ts"

export const gpt2: Architecture = {
  outside: {
    token_embd: "transformer.wte",
    position_embd: "transformer.wpe",
    output_norm: "transformer.ln_f",
    output: "lm_head"
  },
  inside: {
    attn_norm: "ln_1",
    attn_qkv: "attn.c_attn",
    attn_output: "attn.c_proj",
    ffn_norm: "ln_2",
    ffn_up: "mlp.c_fc",
    ffn_down: "mlp.c_proj"
  },
  blockPrefix: "transformer.h.",
  withoutCounterpart: [],
  config: (source) => ({
    ...vocabularyConfig(source),
    model_type: "gpt2",
    architectures: ["GPT2LMHeadModel"],
    activation_function: "gelu_new",
    n_embd: source.fields.size("embedding_length"),
    n_inner: source.fields.size("feed_forward_length"),
    n_layer: source.fields.size("block_count"),
    n_head: source.fields.size("attention.head_count"),
    n_positions: source.fields.size("context_length"),
    layer_norm_epsilon: source.fields.real("attention.layer_norm_epsilon"),
    scale_attn_weights: true,
    scale_attn_by_inverse_layer_idx: false
  }),
  undo: (name, [rows, columns]) =>
    /\.(attn_qkv|attn_output|ffn_up|ffn_down)\.weight$/.test(name) && rows !== undefined && columns !== undefined
      ? { shape: [columns, rows], values: (data) => transposed(data, rows, columns) }
      : undefined
}
