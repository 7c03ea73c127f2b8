/**
 * CLIP's tower of texts (Radford et al. 2021): pre-norm blocks in which a token attends to those before it.
 *
 *   h₀ = token + position        h ← block(h)        t = LN(h)[end of the text]        y = W_p t
 *
 * What comes after the end of a text changes nothing, so padding needs no mask.
 *
 * @see transformers `CLIPTextModel`, `CLIPModel`
 */
import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { attention, denseLinear } from "../../kernels/index.ts"
import type { Linear, LinearSite, TokenTexts, Weights } from "../../tensors/index.ts"
import { normParameters, type ParameterSpec, type RunBlock, runOnce } from "../model.ts"
import { type Attend, type Norm, normalized, type TransformerBlock, transformerBlock } from "../transformer-block.ts"
import { clipBlock } from "./clip.ts"
import type { ClipTextConfig } from "./clip-config.ts"

const TOKENS = "text_model.embeddings.token_embedding.weight"
const POSITIONS = "text_model.embeddings.position_embedding.weight"
const FINAL_NORM = "text_model.final_layer_norm"
const PROJECTION = "text_projection.weight"

/** A text tower without its weights; names as in transformers' CLIPModel. */
export interface TextTower {
  /** sizes of texts, heads and hidden states */
  readonly config: ClipTextConfig
  /** blocks in order */
  readonly blocks: ReadonlyArray<TransformerBlock>
  /** linear layers of the blocks, in the order of the forward pass */
  readonly sites: ReadonlyArray<LinearSite>
  /** parameters of the forward pass */
  readonly parameters: ReadonlyArray<ParameterSpec>
}

/** Creates a text tower of these sizes. */
export const textTowerOf = (config: ClipTextConfig): TextTower => {
  const { hiddenSize, layers, vocabularySize, positions } = config
  const blocks = Array.from({ length: layers }, (_, i) =>
    transformerBlock({ ...config, norms: "before" }, clipBlock(`text_model.encoder.layers.${i}`))
  )
  return {
    config,
    blocks,
    sites: blocks.flatMap(({ sites }) => sites),
    parameters: [
      { name: TOKENS, shape: [vocabularySize, hiddenSize] },
      { name: POSITIONS, shape: [positions, hiddenSize] },
      ...blocks.flatMap(({ parameters }) => parameters),
      ...normParameters(FINAL_NORM, hiddenSize),
      { name: PROJECTION, shape: [config.projection, hiddenSize] }
    ]
  }
}

/** Texts on the device, int32: ids [size·length]; ends [size], the index in ids of each text's end token. */
export interface TextBatch {
  readonly size: number
  readonly length: number
  readonly ids: Tensor1D
  readonly ends: Tensor1D
}

/** Returns the index of a text's end token, whose hidden state represents the text; undefined: the text has none. */
export const endOf = (ids: ReadonlyArray<number>, { endOfText }: ClipTextConfig): number | undefined => {
  const at = ids.indexOf(endOfText ?? Math.max(...ids))
  return at < 0 ? undefined : at
}

/** Uploads a batch of texts; the caller owns the tensors. Throws if a text has no end token. */
export const textsToDevice = (
  { size, length, inputIds }: Pick<TokenTexts, "size" | "length" | "inputIds">,
  config: ClipTextConfig
): TextBatch => {
  const ends = Int32Array.from({ length: size }, (_, row) => {
    const end = endOf([...inputIds.subarray(row * length, (row + 1) * length)], config)
    if (end === undefined) throw new RangeError(`text ${row} has no token ${config.endOfText}`)
    return row * length + end
  })
  return { size, length, ids: tf.tensor1d(inputIds, "int32"), ends: tf.tensor1d(ends, "int32") }
}

/** Computes the embedding of each text, not normalized: [size, projection]. */
export const encodeTexts = (
  { config, blocks }: TextTower,
  { size, length, ids, ends }: TextBatch,
  linear: Linear,
  weights: Weights,
  runBlock: RunBlock = runOnce
): Tensor2D =>
  tf.tidy(() => {
    const { hiddenSize, attentionHeads: heads } = config
    // padding comes after all that is read
    const attend: Attend = (q, k, v) => attention({ q, k, v, batch: size, heads, mask: { causal: true } })
    const positions = tf.slice(weights(POSITIONS), [0, 0], [length, hiddenSize])
    const tokens = tf.reshape(tf.gather(weights(TOKENS), ids), [size, length, hiddenSize])
    const embedded = tf.reshape<tf.Rank.R2>(tf.add(tokens, positions), [size * length, hiddenSize])
    const last = blocks.reduce<Tensor2D>(
      (before, block) => runBlock((h) => block.run(h, attend, linear, weights), before),
      embedded
    )
    // of the last hidden states one a text is read, so one a text is normalized
    const read = tf.gather(last, ends)
    const norm: Norm = { name: FINAL_NORM, epsilon: config.normEpsilon, bias: true }
    return denseLinear(normalized(read, null, norm, weights), weights(PROJECTION) as Tensor2D, null)
  })
