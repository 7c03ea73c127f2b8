/**
 * The block of a pre-norm transformer: ViT's, and that of both of CLIP's towers.
 *
 *   s = h + Wₒ·attention(W_q y, W_k y, W_v y), y = LN(h)        h ← s + W₂·act(W₁·LN(s))
 *
 * Hidden states are [tokens, hidden]; what attends what is the caller's (`Attend`). Always in evaluation mode, as `../encoder.ts`.
 */
import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { layerNorm } from "../../kernels/index.ts"
import { fanOut, type Linear, type LinearSite, type Weights } from "../../tensors/index.ts"
import type { Activation } from "../config-reader.ts"
import { activated } from "../encoder.ts"
import { linearParameters, normParameters, type ParameterSpec } from "../model.ts"

export interface PreNormSizes {
  /** numbers of a hidden state */
  readonly hiddenSize: number
  /** heads of each attention */
  readonly attentionHeads: number
  /** numbers inside the feed-forward part */
  readonly intermediateSize: number
  /** ε of its norms, added to the variance */
  readonly normEpsilon: number
  /** between the two layers of the feed-forward part */
  readonly activation: Activation
  /** whether queries, keys and values have biases; the other layers always have */
  readonly projectionBias: boolean
}

/** Module names of one block. */
export interface PreNormNames {
  readonly query: string
  readonly key: string
  readonly value: string
  readonly attentionOutput: string
  readonly inner: string
  readonly outer: string
  readonly before: string
  readonly between: string
}

export interface PreNormBlock {
  readonly sites: { readonly [K in Exclude<keyof PreNormNames, "before" | "between">]: LinearSite }
  readonly norms: { readonly [K in "before" | "between"]: string }
}

/** Attention over q, k, v [tokens, hidden], of all heads: [tokens, hidden]. */
export type Attend = (q: Tensor2D, k: Tensor2D, v: Tensor2D) => Tensor2D

export const preNormBlock = (
  { hiddenSize, intermediateSize, projectionBias }: PreNormSizes,
  { before, between, ...names }: PreNormNames
): PreNormBlock => {
  const attention = (name: string, bias: boolean): LinearSite => ({
    name,
    kind: "dense",
    part: "attention",
    out: hiddenSize,
    in: hiddenSize,
    ...(bias ? {} : { bias: false })
  })
  const mlp = (name: string, out: number, inputs: number): LinearSite => ({
    name,
    kind: "dense",
    part: "mlp",
    out,
    in: inputs
  })
  return {
    sites: {
      query: attention(names.query, projectionBias),
      key: attention(names.key, projectionBias),
      value: attention(names.value, projectionBias),
      attentionOutput: attention(names.attentionOutput, true),
      inner: mlp(names.inner, intermediateSize, hiddenSize),
      outer: mlp(names.outer, hiddenSize, intermediateSize)
    },
    norms: { before, between }
  }
}

export const preNormParameters = (
  { hiddenSize }: PreNormSizes,
  { sites, norms }: PreNormBlock
): ReadonlyArray<ParameterSpec> => [
  ...Object.values(sites).flatMap(linearParameters),
  ...Object.values(norms).flatMap((name) => normParameters(name, hiddenSize))
]

/** LN(x) */
export const normalized = ({ normEpsilon }: PreNormSizes, x: Tensor2D, name: string, weights: Weights): Tensor2D =>
  layerNorm(x, null, weights(`${name}.weight`) as Tensor1D, weights(`${name}.bias`) as Tensor1D, normEpsilon)

/** One block: h [tokens, hidden] → [tokens, hidden]. */
export const applyPreNormBlock = (
  sizes: PreNormSizes,
  { sites, norms }: PreNormBlock,
  h: Tensor2D,
  attend: Attend,
  linear: Linear,
  weights: Weights
): Tensor2D =>
  // a tidy for each block: what the backward pass does not need goes before the next one begins
  tf.tidy(() => {
    const y = normalized(sizes, h, norms.before, weights)
    const [q, k, v] = fanOut(linear, [sites.query, sites.key, sites.value], y).outputs as [Tensor2D, Tensor2D, Tensor2D]
    const s = tf.add<Tensor2D>(h, linear(sites.attentionOutput, attend(q, k, v)))
    const inner = activated(linear, sites.inner, normalized(sizes, s, norms.between, weights), sizes.activation)
    return tf.add(s, linear(sites.outer, inner.outputs[0]!))
  })
