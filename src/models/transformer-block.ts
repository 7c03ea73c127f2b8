/**
 * The block of a transformer encoder, as a value of a few parts: norms after (Vaswani et al. 2017; BERT) or before (ViT, CLIP, ModernBERT),
 * one projection each for queries, keys and values or one for all three, and a feed-forward part that may be gated.
 *
 *   after     s = LN(h + Wₒ·attention(W_q h, W_k h, W_v h))                      h ← LN(s + W₂·f(s))
 *   before    s = h + Wₒ·attention(W_q y, W_k y, W_v y), y = LN(h)               h ← s + W₂·f(LN(s))
 *   f         act(W₁ x), or gated act(a)∘b with [a, b] = W₁ x                    (Shazeer, arXiv 2002.05202)
 *
 * Hidden states are [tokens, hidden] with tokens = batch·length throughout, since linear layers see tokens, not sequences; only attention
 * looks at the batch again, and what attends what is the caller's (`Attend`). Every linear layer goes through `linear`; everything else
 * reads `weights`.
 *
 * Always in evaluation mode: no hidden or attention dropout, not even in training (a few steps of low-rank training do not need it, and
 * a run is reproducible without it).
 */
import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { gelu, layerNorm } from "../kernels/index.ts"
import { type FannedOut, fanOut, type Linear, type LinearSite, type Weights } from "../tensors/index.ts"
import type { Activation } from "./config-reader.ts"
import { linearParameters, normParameters, type ParameterSpec } from "./model.ts"

/** Configuration that all blocks of a model share. */
export interface BlockForm {
  /** position of the norms: after each part's residual sum, or on the input of each part */
  readonly norms: "after" | "before"
  /** width of a hidden state */
  readonly hiddenSize: number
  /** inner width of the feed-forward part */
  readonly intermediateSize: number
  /** ε of the norms, added to the variance */
  readonly normEpsilon: number
  /** activation of the feed-forward part */
  readonly activation: Activation
  /** whether the first layer of the feed-forward part also computes a factor of its output; default false */
  readonly gated?: boolean
  /** layers without biases; absent: all have them */
  readonly bias?: Readonly<Partial<Record<"projection" | "attentionOutput" | "feedForward" | "norm", boolean>>>
}

/** Module names of one block. */
export interface BlockNames {
  /** modules of queries, keys and values, or one module for all three */
  readonly projections: readonly [query: string, key: string, value: string] | readonly [queryKeyValue: string]
  readonly attentionOutput: string
  /** norm before attention; null: none */
  readonly attentionNorm: string | null
  readonly inner: string
  readonly outer: string
  readonly feedForwardNorm: string
}

/** Attention of all heads over q, k, v [tokens, hidden]; returns [tokens, hidden]. */
export type Attend = (q: Tensor2D, k: Tensor2D, v: Tensor2D) => Tensor2D

/** A transformer block. */
export interface TransformerBlock {
  /** linear layers, in the order of the forward pass */
  readonly sites: ReadonlyArray<LinearSite>
  readonly parameters: ReadonlyArray<ParameterSpec>
  /** Computes the block: h [tokens, hidden] → [tokens, hidden]. */
  readonly run: (h: Tensor2D, attend: Attend, linear: Linear, weights: Weights) => Tensor2D
}

/** A LayerNorm: its module, its ε, and whether it has β. */
export interface Norm {
  readonly name: string
  readonly epsilon: number
  readonly bias: boolean
}

/** Computes LN(x + residual). */
export const normalized = (
  x: Tensor2D,
  residual: Tensor2D | null,
  { name, epsilon, bias }: Norm,
  weights: Weights
): Tensor2D => {
  const beta = bias ? (weights(`${name}.bias`) as Tensor1D) : tf.zeros<tf.Rank.R1>([x.shape[1]])
  return layerNorm(x, residual, weights(`${name}.weight`) as Tensor1D, beta, epsilon)
}

/** act(W₁ x), and x again. */
const activated = (linear: Linear, site: LinearSite, x: Tensor2D, activation: Activation): FannedOut => {
  const asOne = activation === "relu" ? undefined : linear.together?.([site], x, activation)
  if (asOne !== undefined) return asOne
  const widened = fanOut(linear, [site], x)
  return { ...widened, outputs: [nonlinear(widened.outputs[0]!, activation)] }
}

/** Applies an activation. */
export const nonlinear = (x: Tensor2D, activation: Activation): Tensor2D =>
  activation === "relu" ? tf.relu(x) : gelu(x, activation)

/** act(a)∘b, [a, b] = W₁ x, and x again. */
const gated = (linear: Linear, site: LinearSite, x: Tensor2D, activation: Activation): FannedOut => {
  const widened = fanOut(linear, [site], x)
  const [a, b] = tf.split(widened.outputs[0]!, 2, 1) as [Tensor2D, Tensor2D]
  return { ...widened, outputs: [tf.mul(nonlinear(a, activation), b)] }
}

/** Creates a block from its configuration and names. */
export const transformerBlock = (form: BlockForm, names: BlockNames): TransformerBlock => {
  const { hiddenSize, intermediateSize, normEpsilon, activation, bias = {} } = form
  const site = (name: string, part: "attention" | "mlp", out: number, inputs: number, biased = true): LinearSite => ({
    name,
    kind: "dense",
    part,
    out,
    in: inputs,
    ...(biased ? {} : { bias: false })
  })
  const norm = (name: string): Norm => ({ name, epsilon: normEpsilon, bias: bias.norm ?? true })
  const widths = names.projections.length === 1 ? 3 * hiddenSize : hiddenSize
  const projections = names.projections.map((name) => site(name, "attention", widths, hiddenSize, bias.projection))
  const attentionOutput = site(names.attentionOutput, "attention", hiddenSize, hiddenSize, bias.attentionOutput)
  const inner = site(names.inner, "mlp", (form.gated ? 2 : 1) * intermediateSize, hiddenSize, bias.feedForward)
  const outer = site(names.outer, "mlp", hiddenSize, intermediateSize, bias.feedForward)
  const attentionNorm = names.attentionNorm === null ? null : norm(names.attentionNorm)
  const feedForwardNorm = norm(names.feedForwardNorm)
  const widen = form.gated ? gated : activated
  const sites = [...projections, attentionOutput, inner, outer]

  const attended = (x: Tensor2D, attend: Attend, linear: Linear) => {
    const projected = fanOut(linear, projections, x)
    const [q, k, v] = (
      projections.length === 1 ? tf.split(projected.outputs[0]!, 3, 1) : projected.outputs
    ) as ReadonlyArray<Tensor2D>
    return { x: projected.x, y: linear(attentionOutput, attend(q!, k!, v!)) }
  }
  const after: TransformerBlock["run"] = (h, attend, linear, weights) => {
    const { x, y } = attended(h, attend, linear)
    const s = attentionNorm === null ? tf.add<Tensor2D>(y, x) : normalized(y, x, attentionNorm, weights)
    const widened = widen(linear, inner, s, activation)
    return normalized(linear(outer, widened.outputs[0]!), widened.x, feedForwardNorm, weights)
  }
  const before: TransformerBlock["run"] = (h, attend, linear, weights) => {
    const entering = attentionNorm === null ? h : normalized(h, null, attentionNorm, weights)
    const { x, y } = attended(entering, attend, linear)
    const s = tf.add<Tensor2D>(attentionNorm === null ? x : h, y)
    const widened = widen(linear, inner, normalized(s, null, feedForwardNorm, weights), activation)
    return tf.add(s, linear(outer, widened.outputs[0]!))
  }
  const run = form.norms === "after" ? after : before
  return {
    sites,
    parameters: [
      ...sites.flatMap(linearParameters),
      ...[attentionNorm, feedForwardNorm].flatMap((one) =>
        one === null ? [] : normParameters(one.name, hiddenSize, one.bias)
      )
    ],
    // a tidy for each block: what the backward pass does not need goes before the next one begins
    run: (...inputs) => tf.tidy(() => run(...inputs))
  }
}
