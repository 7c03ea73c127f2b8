/**
 * A Hugging Face folder of Qwen3-0.6B's shape with random weights in bfloat16 (1.2 GB), and a tokenizer of as many tokens: the time and the
 * memory of a step do not depend on what is in the weights.
 *
 *   bun bench/large/qwen3-folder.ts --out FOLDER [--layers 28]
 *
 * The tokenizer's merges are random, but made of each other, as those of a trained one are.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import { platform } from "../../src/index.ts"
import { letters } from "../../src/models/causal/token-bytes.ts"
import { bytesOf, streamSafetensors, type TensorType } from "../../src/safetensors/index.ts"

const { values } = parseArgs({ options: { out: { type: "string" }, layers: { type: "string", default: "28" } } })
const { out } = values
if (out === undefined) throw new Error("usage: bun bench/large/qwen3-folder.ts --out FOLDER [--layers 28]")

const [width, inner, vocabulary, heads, keyHeads, headWidth] = [1024, 3072, 151_936, 16, 8, 128] as const
const layers = Number(values.layers)

const matrices = new Map<string, ReadonlyArray<number>>([["model.embed_tokens.weight", [vocabulary, width]]])
const norms = new Map<string, number>([["model.norm.weight", width]])
for (let layer = 0; layer < layers; layer++) {
  const at = `model.layers.${layer}`
  matrices.set(`${at}.self_attn.q_proj.weight`, [heads * headWidth, width])
  for (const name of ["k_proj", "v_proj"]) matrices.set(`${at}.self_attn.${name}.weight`, [keyHeads * headWidth, width])
  matrices.set(`${at}.self_attn.o_proj.weight`, [width, heads * headWidth])
  for (const name of ["gate_proj", "up_proj"]) matrices.set(`${at}.mlp.${name}.weight`, [inner, width])
  matrices.set(`${at}.mlp.down_proj.weight`, [width, inner])
  for (const name of ["q_norm", "k_norm"]) norms.set(`${at}.self_attn.${name}.weight`, headWidth)
  for (const name of ["input_layernorm", "post_attention_layernorm"]) norms.set(`${at}.${name}.weight`, width)
}

let state = 1
const random = (): number => {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return state >>> 0
}

/** Upper halves of floats of both signs, from 2⁻⁶ to 2⁻⁵: a deviation of about 0.02, as weights begin with. */
const weightsOf = (size: number): Uint16Array =>
  Uint16Array.from({ length: size }, () => {
    const bits = random()
    return ((bits & 1) << 15) | (121 << 7) | ((bits >>> 8) & 127)
  })

const ONE = 127 << 7
const valuesOf = (name: string): Uint8Array => {
  const norm = norms.get(name)
  if (norm !== undefined) return bytesOf(new Uint16Array(norm).fill(ONE))
  const [rows, columns] = matrices.get(name) as [number, number]
  return bytesOf(weightsOf(rows * columns))
}

const specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
const firstSpecial = 151_643

const tokenizer = () => {
  const tokens = [...letters.keys()]
  const known = new Set(tokens)
  const merges: Array<[string, string]> = []
  while (tokens.length < firstSpecial) {
    const [left, right] = [tokens[random() % tokens.length]!, tokens[random() % tokens.length]!]
    const joined = left + right
    if (joined.length > 8 || known.has(joined)) continue
    known.add(joined)
    tokens.push(joined)
    merges.push([left, right])
  }
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: specials.map((content, i) => ({
      id: firstSpecial + i,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true
    })),
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: true },
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: "",
      end_of_word_suffix: "",
      fuse_unk: false,
      byte_fallback: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges
    }
  }
}

const config = {
  architectures: ["Qwen3ForCausalLM"],
  model_type: "qwen3",
  attention_bias: false,
  bos_token_id: firstSpecial,
  eos_token_id: firstSpecial + 2,
  head_dim: headWidth,
  hidden_act: "silu",
  hidden_size: width,
  intermediate_size: inner,
  max_position_embeddings: 40_960,
  num_attention_heads: heads,
  num_hidden_layers: layers,
  num_key_value_heads: keyHeads,
  rms_norm_eps: 1e-6,
  rope_theta: 1_000_000,
  tie_word_embeddings: true,
  torch_dtype: "bfloat16",
  vocab_size: vocabulary
}

mkdirSync(out, { recursive: true })
const write = (name: string, value: unknown) => writeFileSync(join(out, name), JSON.stringify(value))
write("config.json", config)
write("tokenizer.json", tokenizer())
write("tokenizer_config.json", {
  tokenizer_class: "Qwen2Tokenizer",
  eos_token: specials[2],
  pad_token: specials[0],
  chat_template:
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
})
const shapes = new Map<string, TensorType>([
  ...[...matrices].map(([name, shape]) => [name, { dtype: "BF16", shape }] as const),
  ...[...norms].map(([name, size]) => [name, { dtype: "BF16", shape: [size] }] as const)
])
await Effect.runPromise(
  streamSafetensors(join(out, "model.safetensors"), shapes, (name) => Effect.sync(() => valuesOf(name))).pipe(
    Effect.provide(platform)
  )
)
