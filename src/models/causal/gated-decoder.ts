/**
 * The decoder that Llama, Mistral, Qwen, Gemma and Phi-3 share: pre-norm blocks of grouped-query attention with rotary positions and a
 * gated MLP.
 *
 *   y = norm(h)        q, k, v = rope(W_q y), rope(W_k y), W_v y              (q and k normalized before: Qwen 3, Gemma 3)
 *   s = h + W_o·attention(q, k, v)        h ← s + W_down(act(W_gate z)∘W_up z),  z = norm(s)
 *
 * Gemma also normalizes the outputs of attention and MLP, scales by 1 + γ, and multiplies embeddings by √hidden.
 *
 * Shapes: h, y, s, z [tokens, hidden]; q [tokens, heads·d]; k, v [tokens, keyValueHeads·d]. GQA: Ainslie et al., arXiv 2305.13245.
 */
import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Result from "effect/Result"
import { gelu, rmsNorm, rmsNormAndSum, rope, rowsOf, swiglu } from "../../kernels/index.ts"
import type { LinearSite, Weights } from "../../tensors/index.ts"
import type { GgufArchitecture } from "../gguf/architecture.ts"
import { type GatedWriting, gatedHyperparameters } from "../gguf/write/gated.ts"
import { linearParameters, type ParameterSpec } from "../model.ts"
import { rotaryRows } from "../rotary-rows.ts"
import { type CausalFamily, type CausalInput, type Decoder, OUTPUT_LAYER, type Pass } from "./decoder.ts"
import type { GatedConfig } from "./gated-config.ts"

const EMBEDDING = "embed_tokens.weight"
const FINAL_NORM = "norm.weight"

type AttentionSites =
  | { readonly query: LinearSite; readonly key: LinearSite; readonly value: LinearSite }
  | { readonly queryKeyValue: LinearSite }
type MlpSites = { readonly gate: LinearSite; readonly up: LinearSite } | { readonly gateUp: LinearSite }

/** The names of a block in transformers' classes, and its linear layers. */
interface GatedBlock {
  readonly sites: AttentionSites & MlpSites & { readonly attentionOutput: LinearSite; readonly down: LinearSite }
  /** parameters of the norms; null: the family has no norm there */
  readonly norms: {
    readonly before: string
    readonly afterAttention: string | null
    readonly between: string
    readonly after: string | null
    readonly query: string | null
    readonly key: string | null
  }
}

/** The linear layers, in the order of the forward pass. */
const sitesOf = ({ sites }: Pick<GatedBlock, "sites">): ReadonlyArray<LinearSite> => [
  ...("queryKeyValue" in sites ? [sites.queryKeyValue] : [sites.query, sites.key, sites.value]),
  sites.attentionOutput,
  ...("gateUp" in sites ? [sites.gateUp] : [sites.gate, sites.up]),
  sites.down
]

const blockOf = (config: GatedConfig, layer: number): GatedBlock => {
  const { hiddenSize, intermediateSize, attentionHeads, keyValueHeads, headDim, bias, fused, gemma } = config
  const at = `layers.${layer}`
  const site = (name: string, part: "attention" | "mlp", out: number, inputs: number, biased: boolean): LinearSite => ({
    name: `${at}.${part === "attention" ? "self_attn" : "mlp"}.${name}`,
    kind: "dense",
    part,
    out,
    in: inputs,
    ...(biased ? {} : { bias: false })
  })
  const [wide, narrow] = [attentionHeads * headDim, keyValueHeads * headDim]
  const projection = (name: string, out: number) => site(name, "attention", out, hiddenSize, bias.queryKeyValue)
  const inner = (name: string, out: number) => site(name, "mlp", out, hiddenSize, bias.mlp)
  const norm = (name: string) => `${at}.${name}.weight`
  return {
    sites: {
      ...(fused
        ? { queryKeyValue: projection("qkv_proj", wide + 2 * narrow) }
        : {
            query: projection("q_proj", wide),
            key: projection("k_proj", narrow),
            value: projection("v_proj", narrow)
          }),
      attentionOutput: site("o_proj", "attention", hiddenSize, wide, bias.attentionOutput),
      ...(fused
        ? { gateUp: inner("gate_up_proj", 2 * intermediateSize) }
        : { gate: inner("gate_proj", intermediateSize), up: inner("up_proj", intermediateSize) }),
      down: site("down_proj", "mlp", hiddenSize, intermediateSize, bias.mlp)
    },
    norms: {
      before: norm("input_layernorm"),
      afterAttention: gemma ? norm("post_attention_layernorm") : null,
      between: norm(gemma ? "pre_feedforward_layernorm" : "post_attention_layernorm"),
      after: gemma ? norm("post_feedforward_layernorm") : null,
      query: config.queryKeyNorm ? norm("self_attn.q_norm") : null,
      key: config.queryKeyNorm ? norm("self_attn.k_norm") : null
    }
  }
}

/** Creates a family of these decoders. */
export const gatedFamily = (
  name: string,
  className: string,
  read: (config: unknown) => Result.Result<GatedConfig, ReadonlyArray<string>>,
  gguf: GgufArchitecture | null,
  writing: GatedWriting
): CausalFamily => ({
  name,
  className,
  textPart: null,
  otherPrefixes: [],
  open: (config) => Result.map(read(config), (settings) => gatedDecoder(name, "model.", settings)),
  gguf,
  toGguf: {
    architecture: writing.architecture,
    hyperparameters: (config) => Result.flatMap(read(config), (settings) => gatedHyperparameters(settings, writing)),
    change: writing.change ?? (() => undefined)
  }
})

/** Creates a decoder. `family`: its `model_type`; `prefix`: prefix of the names in its class. */
export const gatedDecoder = (family: string, prefix: string, config: GatedConfig): Decoder => {
  const { hiddenSize, vocabularySize, tied, gemma } = config
  const blocks = config.layers.map((_, layer) => blockOf(config, layer))
  const inBlocks = blocks.map((block) => blockParameters(block, config))
  const table = [vocabularySize, hiddenSize]
  return {
    ...config,
    family,
    prefix,
    layers: blocks.length,
    sites: blocks.flatMap(sitesOf),
    parameters: [
      { name: EMBEDDING, shape: table },
      ...inBlocks.flat(),
      { name: FINAL_NORM, shape: [hiddenSize] },
      ...(tied ? [] : [{ name: OUTPUT_LAYER, shape: table }])
    ],
    blockParameters: inBlocks.map((parametersOfBlock) => parametersOfBlock.map(({ name }) => name)),
    embedding: EMBEDDING,
    fanInFanOut: false,
    rotary: config.ropes.map(rotaryRows),
    embed: ({ inputIds }: CausalInput, _, tokens) => {
      const rows = rowsOf(tokens, inputIds)
      return gemma ? tf.mul(rows, Math.fround(Math.sqrt(hiddenSize))) : rows
    },
    blocks: blocks.map((block, layer) => (h, pass) => applyBlock(config, block, layer, h, pass)),
    norm: (h, weights) => rmsNorm(h, null, scaleOf(config, FINAL_NORM, weights), config.normEpsilon)
  }
}

const blockParameters = (
  { sites, norms }: GatedBlock,
  { hiddenSize, headDim }: GatedConfig
): ReadonlyArray<ParameterSpec> => [
  ...sitesOf({ sites }).flatMap(linearParameters),
  ...[norms.before, norms.afterAttention, norms.between, norms.after].flatMap((name) =>
    name === null ? [] : [{ name, shape: [hiddenSize] }]
  ),
  ...[norms.query, norms.key].flatMap((name) => (name === null ? [] : [{ name, shape: [headDim] }]))
]

/** γ, or Gemma's 1 + γ, of which γ is stored */
const scaleOf = ({ gemma }: GatedConfig, name: string, weights: Weights): Tensor1D => {
  const gamma = weights(name) as Tensor1D
  return gemma ? tf.add(gamma, 1) : gamma
}

/** One block: h [tokens, hidden] → [tokens, hidden]. */
const applyBlock = (config: GatedConfig, block: GatedBlock, layer: number, h: Tensor2D, pass: Pass): Tensor2D => {
  const { norms } = block
  const scale = (name: string) => scaleOf(config, name, pass.weights)
  const normed = (x: Tensor2D, name: string | null) =>
    name === null ? x : rmsNorm(x, null, scale(name), config.normEpsilon)
  const attended = normed(attention(config, block, layer, normed(h, norms.before), pass), norms.afterAttention)
  const [z, s] = rmsNormAndSum(attended, h, scale(norms.between), config.normEpsilon)
  return tf.add(s, normed(mlp(config, block, z, pass), norms.after))
}

/** y [tokens, hidden] → [tokens, hidden] */
const attention = (config: GatedConfig, block: GatedBlock, layer: number, y: Tensor2D, pass: Pass): Tensor2D => {
  const { attentionHeads: heads, keyValueHeads, attentionScale: scale, attentionSoftcap: softCap, headDim } = config
  const { window, rope: which } = config.layers[layer]!
  const { linear, input, attend } = pass
  const { cos, sin } = input.rotary[which]!
  const { sites } = block
  const widths = [heads * headDim, keyValueHeads * headDim, keyValueHeads * headDim]
  const [q, k, v] =
    "queryKeyValue" in sites
      ? (tf.split(linear(sites.queryKeyValue, y), widths, 1) as [Tensor2D, Tensor2D, Tensor2D])
      : [linear(sites.query, y), linear(sites.key, y), linear(sites.value, y)]
  const turned = (x: Tensor2D, norm: string | null) =>
    headsTurned(config, headsNormed(config, x, norm, pass.weights), cos, sin)
  const shape = { batch: input.size, heads, keyHeads: keyValueHeads, scale, window, softCap }
  const { query, key } = block.norms
  return linear(sites.attentionOutput, attend(layer, turned(q, query), turned(k, key), v, shape))
}

/** Positions applied to the first columns of each head of x [tokens, heads·d], as many as cos and sin [tokens, r] have. */
const headsTurned = ({ headDim }: GatedConfig, x: Tensor2D, cos: Tensor2D, sin: Tensor2D): Tensor2D => {
  const r = cos.shape[1]
  if (r === headDim) return rope(x, cos, sin)
  const [tokens, width] = x.shape
  const heads = width / headDim
  const [first, rest] = tf.split(tf.reshape(x, [tokens, heads, headDim]), [r, headDim - r], 2)
  const turned = rope(tf.reshape(first!, [tokens, heads * r]), cos, sin)
  return tf.reshape(tf.concat([tf.reshape(turned, [tokens, heads, r]), rest!], 2), [tokens, width])
}

/** Each head [d] of x [tokens, heads·d] normalized by itself. */
const headsNormed = (config: GatedConfig, x: Tensor2D, norm: string | null, weights: Weights): Tensor2D => {
  if (norm === null) return x
  const heads = tf.reshape<tf.Rank.R2>(x, [-1, config.headDim])
  return tf.reshape(rmsNorm(heads, null, scaleOf(config, norm, weights), config.normEpsilon), x.shape)
}

/** z [tokens, hidden] → [tokens, hidden] */
const mlp = ({ activation }: GatedConfig, { sites }: GatedBlock, z: Tensor2D, { linear }: Pass): Tensor2D => {
  const [gate, up] =
    "gateUp" in sites
      ? (tf.split(linear(sites.gateUp, z), 2, 1) as [Tensor2D, Tensor2D])
      : [linear(sites.gate, z), linear(sites.up, z)]
  const active = activation === "silu" ? swiglu(gate, up) : tf.mul<Tensor2D>(gelu(gate, activation), up)
  return linear(sites.down, active)
}
