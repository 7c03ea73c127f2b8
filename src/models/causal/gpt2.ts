/**
 * GPT-2 (Radford et al. 2019): learned positions, LayerNorm first, one projection for queries, keys and values, an MLP of GELU, biases
 * everywhere. Its checkpoints hold linear weights as [in, out] (Conv1D), GGUF files as [out, in]; here they are [out, in] as in all models,
 * transposed when they are read.
 *
 *   y = LN(h)      q, k, v = thirds of W_qkv y      s = h + W_o·attention(q, k, v)      h ← s + W₂·gelu(W₁·LN(s))
 *
 * @see transformers `GPT2LMHeadModel`
 */
import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type GeluForm, gelu, layerNorm, rowsOf } from "../../kernels/index.ts"
import type { LinearSite, Weights } from "../../tensors/index.ts"
import {
  ActivationName,
  activations,
  Count,
  decoderConfigReader,
  Epsilon,
  Layers,
  maybe,
  withDefault
} from "../config-reader.ts"
import { type GgufArchitecture, type Hyperparameters, vocabularyConfig } from "../gguf/architecture.ts"
import { encoded } from "../gguf/write/values.ts"
import { linearParameters, normParameters } from "../model.ts"
import { type CausalFamily, type Decoder, type DecoderSizes, OUTPUT_LAYER, type Pass, transposed } from "./decoder.ts"

const Gpt2File = Schema.Struct({
  n_embd: Count,
  n_layer: Layers,
  n_head: Count,
  n_inner: maybe(Count),
  n_positions: Count,
  vocab_size: Count,
  layer_norm_epsilon: withDefault(Epsilon, 1e-5),
  activation_function: withDefault(ActivationName, "gelu_new"),
  tie_word_embeddings: maybe(Schema.Boolean),
  scale_attn_weights: withDefault(Schema.Boolean, true),
  scale_attn_by_inverse_layer_idx: withDefault(Schema.Boolean, false),
  add_cross_attention: maybe(Schema.Literal(false))
})

interface Gpt2Config extends DecoderSizes {
  readonly normEpsilon: number
  readonly activation: GeluForm | "relu"
  readonly tied: boolean
  /** of the scores, by layer */
  readonly scales: ReadonlyArray<number>
}

const read = decoderConfigReader(Gpt2File, (file) => {
  const { n_embd: hiddenSize, n_head: heads, n_layer: layers } = file
  const scale = file.scale_attn_weights ? 1 / Math.sqrt(hiddenSize / heads) : 1
  const config: Gpt2Config = {
    hiddenSize,
    layers,
    attentionHeads: heads,
    keyValueHeads: heads,
    headDim: hiddenSize / heads,
    intermediateSize: file.n_inner ?? 4 * hiddenSize,
    vocabularySize: file.vocab_size,
    maxLength: file.n_positions,
    normEpsilon: file.layer_norm_epsilon,
    activation: activations[file.activation_function],
    tied: file.tie_word_embeddings ?? true,
    scales: Array.from({ length: layers }, (_, i) => (file.scale_attn_by_inverse_layer_idx ? scale / (i + 1) : scale))
  }
  const problem = `config.json: n_embd ${hiddenSize} is not a multiple of its ${heads} attention heads`
  return { config, problems: hiddenSize % heads === 0 ? [] : [problem] }
})

interface Block {
  readonly sites: { readonly [K in "queryKeyValue" | "attentionOutput" | "inner" | "outer"]: LinearSite }
  readonly norms: { readonly before: string; readonly between: string }
}

const blockOf = ({ hiddenSize, intermediateSize }: Gpt2Config, layer: number): Block => {
  const site = (name: string, part: "attention" | "mlp", out: number, inputs: number): LinearSite => ({
    name: `h.${layer}.${name}`,
    kind: "dense",
    part,
    out,
    in: inputs
  })
  return {
    sites: {
      queryKeyValue: site("attn.c_attn", "attention", 3 * hiddenSize, hiddenSize),
      attentionOutput: site("attn.c_proj", "attention", hiddenSize, hiddenSize),
      inner: site("mlp.c_fc", "mlp", intermediateSize, hiddenSize),
      outer: site("mlp.c_proj", "mlp", hiddenSize, intermediateSize)
    },
    norms: { before: `h.${layer}.ln_1`, between: `h.${layer}.ln_2` }
  }
}

const TOKENS = "wte.weight"
const POSITIONS = "wpe.weight"
const FINAL_NORM = "ln_f"

const decoderOf = (config: Gpt2Config): Decoder => {
  const { hiddenSize, vocabularySize, maxLength, layers, tied } = config
  const blocks = Array.from({ length: layers }, (_, layer) => blockOf(config, layer))
  const norm = (name: string) => normParameters(name, hiddenSize)
  const inBlocks = blocks.map(({ sites, norms }) => [
    ...Object.values(sites).flatMap(linearParameters),
    ...Object.values(norms).flatMap(norm)
  ])
  return {
    ...config,
    family: "gpt2",
    prefix: "transformer.",
    sites: blocks.flatMap(({ sites }) => Object.values(sites)),
    parameters: [
      { name: TOKENS, shape: [vocabularySize, hiddenSize] },
      { name: POSITIONS, shape: [maxLength, hiddenSize] },
      ...inBlocks.flat(),
      ...norm(FINAL_NORM),
      ...(tied ? [] : [{ name: OUTPUT_LAYER, shape: [vocabularySize, hiddenSize] }])
    ],
    blockParameters: inBlocks.map((parametersOfBlock) => parametersOfBlock.map(({ name }) => name)),
    embedding: TOKENS,
    fanInFanOut: true,
    softcap: null,
    rotary: [],
    embed: ({ inputIds, positions }, weights, tokens) =>
      tf.add(rowsOf(tokens, inputIds), tf.gather(weights(POSITIONS) as Tensor2D, positions)),
    blocks: blocks.map((block, layer) => (h, pass) => applyBlock(config, block, layer, h, pass)),
    norm: (h, weights) => normalized(config, h, FINAL_NORM, weights)
  }
}

const normalized = ({ normEpsilon }: Gpt2Config, x: Tensor2D, name: string, weights: Weights): Tensor2D =>
  layerNorm(x, null, weights(`${name}.weight`) as Tensor1D, weights(`${name}.bias`) as Tensor1D, normEpsilon)

/** One block: h [tokens, hidden] → [tokens, hidden]. */
const applyBlock = (
  config: Gpt2Config,
  { sites, norms }: Block,
  layer: number,
  h: Tensor2D,
  { linear, weights, attend, input }: Pass
): Tensor2D => {
  const { attentionHeads: heads, activation, scales } = config
  const projected = linear(sites.queryKeyValue, normalized(config, h, norms.before, weights))
  const [q, k, v] = tf.split(projected, 3, 1) as [Tensor2D, Tensor2D, Tensor2D]
  const shape = { batch: input.size, heads, scale: scales[layer]!, window: null }
  const s = tf.add<Tensor2D>(h, linear(sites.attentionOutput, attend(layer, q, k, v, shape)))
  const inner = linear(sites.inner, normalized(config, s, norms.between, weights))
  const active = activation === "relu" ? tf.relu<Tensor2D>(inner) : gelu(inner, activation)
  return tf.add(s, linear(sites.outer, active))
}

const architecture: GgufArchitecture = {
  name: "gpt2",
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

const hyperparameters = (config: Gpt2Config): Result.Result<Hyperparameters, ReadonlyArray<string>> => {
  const scale = 1 / Math.sqrt(config.headDim)
  const problems = [
    ...(config.activation === "tanh"
      ? []
      : [`has the activation "${config.activation}", where llama.cpp's gpt2 has "tanh"`]),
    ...(config.scales.every((scaleOfLayer) => scaleOfLayer === scale)
      ? []
      : ["scales its scores differently from llama.cpp's gpt2"])
  ]
  if (problems.length > 0) return Result.fail(problems)
  const { u32, f32 } = encoded
  const values = {
    block_count: u32(config.layers),
    context_length: u32(config.maxLength),
    embedding_length: u32(config.hiddenSize),
    feed_forward_length: u32(config.intermediateSize),
    "attention.head_count": u32(config.attentionHeads),
    "attention.layer_norm_epsilon": f32(config.normEpsilon)
  }
  return Result.succeed({ values, tensors: {}, notes: [] })
}

/** GPT-2. */
export const gpt2: CausalFamily = {
  name: "gpt2",
  className: "GPT2LMHeadModel",
  textPart: null,
  otherPrefixes: [],
  open: (config) => Result.map(read(config), decoderOf),
  gguf: architecture,
  toGguf: {
    architecture,
    hyperparameters: (config) => Result.flatMap(read(config), hyperparameters),
    // models here hold weights as the converter turns them
    change: () => undefined
  }
}
