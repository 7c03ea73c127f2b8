/**
 * Llama 1 to 3.x (arXiv 2302.13971, 2407.21783) and what is saved as one (SmolLM2, TinyLlama, Yi, …), and Mistral (arXiv 2310.06825): a
 * Llama whose queries see a window of tokens, in every layer. GGUF files have both as the architecture "llama".
 *
 * llama.cpp's converter moves rows. transformers rotates columns j and j + d/2 of a head together, ggml (for this architecture) columns 2j
 * and 2j + 1, so row (j, half) of a head of W_q and W_k is stored at 2j + half instead of half·d/2 + j.
 *
 * @see transformers `LlamaForCausalLM`, `MistralForCausalLM`
 */
import * as Schema from "effect/Schema"
import { decoderConfigReader, maybe } from "../config-reader.ts"
import type { Fields, MoveRows } from "../gguf/architecture.ts"
import { gatedArchitecture, gatedConfigJson, keyValueHeads, rotaryColumns } from "../gguf/gated.ts"
import type { GatedWriting } from "../gguf/write/gated.ts"
import type { CausalFamily } from "./decoder.ts"
import { llamaFields, llamaLike } from "./gated-config.ts"
import { gatedFamily } from "./gated-decoder.ts"

/** The names and changes of Llama's GGUF files, and of Mistral's. */
const llamaArchitecture = gatedArchitecture({
  name: "llama",
  withoutCounterpart: ["rope_freqs.weight"],
  config: (source) => {
    const { tensors, fields } = source
    const base = gatedConfigJson(source)
    // the converter moves rows by whole heads, which leaves no order for a part of one
    const rotary = rotaryColumns(fields, base.head_dim)
    if (!Number.isNaN(base.head_dim) && rotary !== base.head_dim)
      fields.note(`rotary positions on ${rotary} of a head's ${base.head_dim} columns; expected all of them`)
    const window = fields.value("attention.sliding_window")
    const { name, className } = mistral
    return {
      ...base,
      ...(window === undefined ? {} : { model_type: name, architectures: [className], sliding_window: window }),
      attention_bias: tensors.has("blk.0.attn_q.bias"),
      mlp_bias: tensors.has("blk.0.ffn_up.bias")
    }
  },
  undo: (name, shape, fields) => {
    const heads = movedHeads(name, fields)
    if (heads === undefined) return undefined
    const rows: MoveRows = (data, length) => moveRows(data, heads, length)
    return { shape, values: (data) => rows(data, shape[1] ?? 1), rows }
  }
})

const llamaWriting: GatedWriting = {
  architecture: llamaArchitecture,
  activation: "silu",
  biases: ["queryKeyValue", "attentionOutput", "mlp"],
  windows: null,
  change: (name, { attentionHeads, keyValueHeads }) => {
    const moved = movedTensor(name)
    if (moved === undefined) return undefined
    const heads = moved === "queries" ? attentionHeads : keyValueHeads
    return (data, columns) => moveRows(data, heads, columns, true)
  }
}

/** Llama. */
export const llama: CausalFamily = gatedFamily(
  "llama",
  "LlamaForCausalLM",
  decoderConfigReader(Schema.Struct({ ...llamaFields, mlp_bias: maybe(Schema.Boolean) }), (file) => {
    const { config, problems } = llamaLike(file)
    const biased = file.attention_bias ?? false
    const bias = { queryKeyValue: biased, attentionOutput: biased, mlp: file.mlp_bias ?? false }
    return { problems, config: { ...config, bias } }
  }),
  llamaArchitecture,
  llamaWriting
)

/** Which rows a tensor has, where the converter moved them. */
const movedTensor = (name: string): "queries" | "keys" | undefined => {
  if (/\.attn_q\.(weight|bias)$/.test(name)) return "queries"
  return /\.attn_k\.(weight|bias)$/.test(name) ? "keys" : undefined
}

/** The same as a number of heads. */
const movedHeads = (name: string, fields: Fields): number | undefined => {
  const moved = movedTensor(name)
  if (moved === undefined) return undefined
  return moved === "queries" ? fields.size("attention.head_count") : keyValueHeads(fields)
}

/**
 * `data` [heads·d, columns], rows of each head from ggml's order to transformers'; `back`: from transformers' to ggml's. A bias has one
 * column.
 */
const moveRows = <Data extends Float32Array | Int32Array>(
  data: Data,
  heads: number,
  columns: number,
  back = false
): Data => {
  const out = data.slice() as Data
  const headDim = data.length / columns / heads
  for (let head = 0; head < heads; head++) {
    for (let row = 0; row < headDim; row++) {
      const ggml = (head * headDim + row) * columns
      const ours = (head * headDim + (row % 2) * (headDim / 2) + (row >> 1)) * columns
      const [from, to] = back ? [ours, ggml] : [ggml, ours]
      out.set(data.subarray(from, from + columns), to)
    }
  }
  return out
}

/** transformers' own default; null in a config means no window */
const MISTRAL_WINDOW = 4_096

/** Mistral. */
export const mistral: CausalFamily = gatedFamily(
  "mistral",
  "MistralForCausalLM",
  decoderConfigReader(Schema.Struct(llamaFields), (file) => {
    const { config, problems } = llamaLike(file)
    const window = file.sliding_window === undefined ? MISTRAL_WINDOW : file.sliding_window
    return { problems, config: { ...config, layers: config.layers.map((layer) => ({ ...layer, window })) } }
  }),
  null,
  llamaWriting
)
