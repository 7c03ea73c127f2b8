/**
 * The post-norm transformer encoder that BERT, DistilBERT and RoBERTa share (Vaswani et al. 2017, the encoder half).
 *
 *   h₀ = LN(word + position + type)                 h ← LN(h + Wₒ·attention(W_q h, W_k h, W_v h))        h ← LN(h + W₂·act(W₁ h))
 *
 * Hidden states are [tokens, hidden] with tokens = batch·length throughout, since linear layers see tokens, not sequences; only
 * attention looks at the batch again. Every linear layer goes through `linear`; everything else reads `weights`.
 *
 * Always in evaluation mode: no hidden or attention dropout, not even in training (a few steps of low-rank training do not need it, and
 * a run is reproducible without it).
 */
import type { Tensor1D, Tensor2D, Tensor4D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { additiveMask, gelu, layerNorm, paddedAttention } from "../kernels/index.ts"
import { type FannedOut, fanOut, type Linear, type LinearSite, type Weights } from "../tensors/index.ts"
import type { BlockNames, EncoderConfig, Family } from "./family.ts"
import {
  linearParameters,
  normParameters,
  type ParameterSpec,
  type RunBlock,
  runOnce,
  type Stack,
  type TokenBatch
} from "./model.ts"
import { textSequences } from "./sequences.ts"

const EMBEDDINGS = {
  word: "embeddings.word_embeddings.weight",
  position: "embeddings.position_embeddings.weight",
  tokenType: "embeddings.token_type_embeddings.weight",
  norm: "embeddings.LayerNorm"
} as const

/** Every checkpoint has this tensor: its prefix shows which class the checkpoint was saved from. */
export const WORD_EMBEDDINGS = EMBEDDINGS.word

interface Block {
  readonly names: BlockNames
  readonly sites: { readonly [K in Exclude<keyof BlockNames, "attentionNorm" | "outputNorm">]: LinearSite }
}

/** An encoder without its weights. */
export interface Encoder {
  readonly family: Family
  readonly config: EncoderConfig
  readonly blocks: ReadonlyArray<Block>
}

export const encoderOf = (family: Family, config: EncoderConfig): Encoder => {
  const { hiddenSize, intermediateSize, layers } = config
  const site = (name: string, part: "attention" | "mlp", out: number, inputs: number): LinearSite => ({
    name,
    kind: "dense",
    part,
    out,
    in: inputs
  })
  const blocks = Array.from({ length: layers }, (_, layer): Block => {
    const names = family.block(layer)
    return {
      names,
      sites: {
        query: site(names.query, "attention", hiddenSize, hiddenSize),
        key: site(names.key, "attention", hiddenSize, hiddenSize),
        value: site(names.value, "attention", hiddenSize, hiddenSize),
        attentionOutput: site(names.attentionOutput, "attention", hiddenSize, hiddenSize),
        intermediate: site(names.intermediate, "mlp", intermediateSize, hiddenSize),
        output: site(names.output, "mlp", hiddenSize, intermediateSize)
      }
    }
  })
  return { family, config, blocks }
}

/** The linear layers of the blocks, in the order of the forward pass. */
export const encoderSites = ({ blocks }: Encoder): ReadonlyArray<LinearSite> =>
  blocks.flatMap(({ sites }) => Object.values(sites))

/** Every parameter that `encode` reads. */
export const encoderParameters = ({ config, blocks }: Encoder): ReadonlyArray<ParameterSpec> => {
  const { hiddenSize, vocabularySize, positions, tokenTypes } = config
  return [
    { name: EMBEDDINGS.word, shape: [vocabularySize, hiddenSize] },
    { name: EMBEDDINGS.position, shape: [positions, hiddenSize] },
    ...(tokenTypes === 0 ? [] : [{ name: EMBEDDINGS.tokenType, shape: [tokenTypes, hiddenSize] }]),
    ...normParameters(EMBEDDINGS.norm, hiddenSize),
    ...blocks.flatMap((block) => blockParameters(block, hiddenSize))
  ]
}

const blockParameters = ({ names, sites }: Block, hiddenSize: number): ReadonlyArray<ParameterSpec> => [
  ...Object.values(sites).flatMap(linearParameters),
  ...normParameters(names.attentionNorm, hiddenSize),
  ...normParameters(names.outputNorm, hiddenSize)
]

export const encoderStack = ({ config, blocks }: Encoder): Stack => ({
  blocks: blocks.map((block) => blockParameters(block, config.hiddenSize).map(({ name }) => name)),
  width: config.hiddenSize,
  sequences: textSequences
})

/** h₀ [tokens, hidden] */
export const embed = ({ family, config }: Encoder, batch: TokenBatch, weights: Weights): Tensor2D =>
  tf.tidy(() => {
    const { inputIds, tokenTypeIds } = batch
    const [size, length] = inputIds.shape
    const rows = (table: string, ids: Tensor2D) => tf.gather(weights(table), ids)
    const word = rows(EMBEDDINGS.word, inputIds) // [batch, length, hidden]
    const position =
      family.positionIds === null
        ? tf.slice(weights(EMBEDDINGS.position), [0, 0], [length, config.hiddenSize]) // the same for every row of the batch
        : rows(EMBEDDINGS.position, family.positionIds(inputIds, config))
    const placed = tf.add(word, position)
    const sum = config.tokenTypes === 0 ? placed : tf.add(placed, rows(EMBEDDINGS.tokenType, tokenTypeIds))
    return normalize(tf.reshape(sum, [size * length, config.hiddenSize]), null, EMBEDDINGS.norm, config, weights)
  })

/** One block: h [tokens, hidden] → [tokens, hidden]. `mask` as `additiveMask` makes it. */
export const applyBlock = (
  { config }: Encoder,
  { names, sites }: Block,
  h: Tensor2D,
  mask: Tensor4D,
  linear: Linear,
  weights: Weights
): Tensor2D =>
  // a tidy for each block: what the backward pass does not need goes before the next one begins
  tf.tidy(() => {
    const shape = { batch: mask.shape[0], heads: config.attentionHeads }
    const projected = fanOut(linear, [sites.query, sites.key, sites.value], h)
    const [q, k, v] = projected.outputs as [Tensor2D, Tensor2D, Tensor2D]
    const mixed = paddedAttention(q, k, v, mask, shape)
    const middle = normalize(linear(sites.attentionOutput, mixed), projected.x, names.attentionNorm, config, weights)
    const widened = activated(linear, sites.intermediate, middle, config.activation)
    return normalize(linear(sites.output, widened.outputs[0]!), widened.x, names.outputNorm, config, weights)
  })

/** act(W₁ x), and x again. */
export const activated = (
  linear: Linear,
  site: LinearSite,
  x: Tensor2D,
  activation: EncoderConfig["activation"]
): FannedOut => {
  const asOne = activation === "relu" ? undefined : linear.together?.([site], x, activation)
  if (asOne !== undefined) return asOne
  const widened = fanOut(linear, [site], x)
  const inner = widened.outputs[0]!
  return { ...widened, outputs: [activation === "relu" ? tf.relu(inner) : gelu(inner, activation)] }
}

/** Last hidden states [tokens, hidden]. */
export const encode = (
  encoder: Encoder,
  batch: TokenBatch,
  linear: Linear,
  weights: Weights,
  runBlock: RunBlock = runOnce
): Tensor2D => {
  const mask = additiveMask(batch.attentionMask)
  return encoder.blocks.reduce<Tensor2D>(
    (before, block) => runBlock((h, m) => applyBlock(encoder, block, h, m, linear, weights), before, mask),
    embed(encoder, batch, weights)
  )
}

/** LN(x + residual) */
const normalize = (
  x: Tensor2D,
  residual: Tensor2D | null,
  name: string,
  { layerNormEpsilon }: EncoderConfig,
  weights: Weights
): Tensor2D =>
  layerNorm(x, residual, weights(`${name}.weight`) as Tensor1D, weights(`${name}.bias`) as Tensor1D, layerNormEpsilon)
