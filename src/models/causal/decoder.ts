/**
 * A decoder without its weights, its forward pass, and the contract of a family of decoders:
 *
 *   h₀ = embed(ids)        hᵢ₊₁ = blockᵢ(hᵢ)        hidden = norm(h_L)        logits = hidden·Eᵀ, soft-capped where a family says so
 *
 * Hidden states are [tokens, hidden] with tokens = batch·length. Only attention sees sequences again, and it may be replaced: with a
 * cache of keys and values, generation attends to more than the batch holds. Logits are not part of the pass, because those of a whole
 * batch are larger than everything else together: the loss makes them in parts (`kernels/linear-cross-entropy.ts`).
 *
 * Always in evaluation mode: no dropout, not even in training.
 */
import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import type * as Result from "effect/Result"
import { type AttentionHeads, attention, denseLinear, frozenLinear } from "../../kernels/index.ts"
import {
  type FrozenMatrix,
  isPacked,
  type Linear,
  type LinearSite,
  type PackedMatrix,
  type Weights
} from "../../tensors/index.ts"
import type { GgufArchitecture, GgufWriting } from "../gguf/architecture.ts"
import { type ParameterSpec, type RunBlock, runOnce } from "../model.ts"
import type { RotaryRows } from "../rotary-rows.ts"

/** Heads, scores and window of a layer's attention; a window of null: none. */
export interface DecoderHeads extends AttentionHeads {
  readonly window: number | null
}

/**
 * Attention of one layer: q [batch·queries, heads·d], k and v [batch·keys, keyHeads·d], positions applied → [batch·queries, heads·d]. Called in a
 * tidy: it must `keep` the tensors that it retains.
 */
export type Attend = (layer: number, q: Tensor2D, k: Tensor2D, v: Tensor2D, heads: DecoderHeads) => Tensor2D

/** A batch on the device, rows concatenated; all tensors except the rotary ones are int32 [size·length]. */
export interface CausalInput {
  /** number of rows */
  readonly size: number
  /** positions per row, padding included */
  readonly length: number
  /** token ids */
  readonly inputIds: Tensor1D
  /** position in the text, from 0 */
  readonly positions: Tensor1D
  /** text that each position belongs to; −1: padding */
  readonly segments: Tensor1D
  /** cos and sin [tokens, r] of the decoder's `rotary`, in its order */
  readonly rotary: ReadonlyArray<{
    /** cos of each token's angles */
    readonly cos: Tensor2D
    /** sin of each token's angles */
    readonly sin: Tensor2D
  }>
  /** attention to use; default: causal attention within the batch's segments */
  readonly attend?: Attend | undefined
}

/** Output of a causal model: hidden states, and the weight that maps them to logits, so that a loss need not store all logits. */
export interface CausalOutput {
  /** `[tokens, hidden]`: hidden states after the final norm */
  readonly hidden: Tensor2D
  /** unembedding [vocabulary, hidden], trained or frozen */
  readonly weight: FrozenMatrix
  /** cap of logits, cap·tanh(logits/cap); null: no cap */
  readonly softcap: number | null
}

/** Name of the output layer's parameter. It is outside the backbone and has no prefix in any class. */
export const OUTPUT_LAYER = "lm_head.weight"

/** Returns the parameters with a row for each token, [vocabulary, hidden]. */
export const tablesOf = ({ embedding, tied }: Pick<Decoder, "embedding" | "tied">): ReadonlyArray<string> =>
  tied ? [embedding] : [embedding, OUTPUT_LAYER]

/** Returns the name of a parameter or module in transformers' class, as in the keys of PEFT adapters. */
export const causalClassName = (
  {
    prefix
  }: {
    /** prefix of the backbone's names in that class */
    readonly prefix: string
  },
  name: string
): string => (name === OUTPUT_LAYER || `${name}.weight` === OUTPUT_LAYER ? name : prefix + name)

/** Inputs of a block other than its hidden states. */
export interface Pass {
  readonly linear: Linear
  readonly weights: Weights
  readonly attend: Attend
  readonly input: CausalInput
}

/** Sizes of a decoder from its config.json. */
export interface DecoderSizes {
  /** width of a hidden state */
  readonly hiddenSize: number
  /** number of blocks */
  readonly layers: number
  /** number of query heads */
  readonly attentionHeads: number
  /** number of key-value heads, which several query heads may share */
  readonly keyValueHeads: number
  /** width of a head */
  readonly headDim: number
  /** width of the feed-forward part */
  readonly intermediateSize: number
  /** number of tokens */
  readonly vocabularySize: number
  /** number of positions for which the model was trained */
  readonly maxLength: number
}

/** A causal language model's forward pass as a value: its sizes, layers, parameters and blocks. */
export interface Decoder extends DecoderSizes {
  /** `model_type` of config.json */
  readonly family: string
  /** prefix of the backbone's names in transformers' own class */
  readonly prefix: string
  /** linear layers of the blocks, in the order of the forward pass */
  readonly sites: ReadonlyArray<LinearSite>
  /** every parameter of the forward pass, by its name in the backbone; the output layer's is `lm_head.weight` */
  readonly parameters: ReadonlyArray<ParameterSpec>
  /** names of the parameters that each block reads */
  readonly blockParameters: ReadonlyArray<ReadonlyArray<string>>
  /** name of the token embedding */
  readonly embedding: string
  /** whether the output layer is the embedding */
  readonly tied: boolean
  /** whether linear weights are stored [in, out] */
  readonly fanInFanOut: boolean
  /** cap c of logits, c·tanh(z/c); null: no cap */
  readonly softcap: number | null
  /** rotary positions of its layers; empty if positions are learned */
  readonly rotary: ReadonlyArray<RotaryRows>
  /** Computes h₀ [tokens, hidden]; `tokens`: the table of `embedding`. */
  readonly embed: (input: CausalInput, weights: Weights, tokens: FrozenMatrix) => Tensor2D
  /** blocks in order: [tokens, hidden] → [tokens, hidden] */
  readonly blocks: ReadonlyArray<(h: Tensor2D, pass: Pass) => Tensor2D>
  /** Normalizes the last hidden states before the output layer. */
  readonly norm: (h: Tensor2D, weights: Weights) => Tensor2D
}

/** Differences between families of decoders: how a config is read, and how files store tensors. */
export interface CausalFamily {
  /** `model_type` of config.json */
  readonly name: string
  /** Returns the decoder that a config describes, or all problems of the config. */
  readonly open: (config: unknown) => Result.Result<Decoder, ReadonlyArray<string>>
  /** other prefixes of the backbone's names in files; "" is always tried */
  readonly otherPrefixes: ReadonlyArray<string>
  /** storage in GGUF files; null: not supported, or as another family's architecture */
  readonly gguf: GgufArchitecture | null
  /** GGUF export of the family, or of its `textPart` if the export contains only that part */
  readonly toGguf: GgufWriting | null
  /** transformers class that loads a merged model */
  readonly className: string
  /** `model_type`, prefix and config of the text model that a merged model is; null: the merged model is of this family */
  readonly textPart: {
    /** `model_type` of the text model */
    readonly modelType: string
    /** prefix of the backbone's names in its class */
    readonly prefix: string
    /** Returns the text model's config.json from that of the whole model. */
    readonly config: (config: object) => object
  } | null
}

/** Transposes [rows, columns] to [columns, rows]. */
export const transposed = (data: Float32Array, rows: number, columns: number): Float32Array => {
  const out = new Float32Array(data.length)
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) out[column * rows + row] = data[row * columns + column]!
  }
  return out
}

interface DecodeOptions {
  readonly runBlock?: RunBlock
  readonly attend?: Attend
  /** parameters that are packed: `weights` has none of them */
  readonly packed?: ReadonlyMap<string, PackedMatrix>
}

/**
 * Computes the hidden states of a batch. Tensor code. Weights and the batch outlive a backward pass, so that blocks can be recomputed from h
 * alone.
 */
export const decode = (
  decoder: Decoder,
  input: CausalInput,
  linear: Linear,
  weights: Weights,
  { runBlock = runOnce, attend = input.attend ?? insideBatch(input), packed }: DecodeOptions = {}
): CausalOutput => {
  const table = (name: string): FrozenMatrix =>
    (weights.trained?.has(name) ? undefined : packed?.get(name)) ?? (weights(name) as Tensor2D)
  const pass: Pass = { linear, weights, attend, input }
  const hidden = tf.tidy(() => {
    const embedded = tf.tidy(() => decoder.embed(input, weights, table(decoder.embedding)))
    const through = (before: Tensor2D, block: Decoder["blocks"][number]) =>
      runBlock((h) => tf.tidy(() => block(h, pass)), before)
    return decoder.norm(decoder.blocks.reduce(through, embedded), weights)
  })
  return {
    hidden,
    weight: table(decoder.tied ? decoder.embedding : OUTPUT_LAYER),
    softcap: decoder.softcap
  }
}

/** Queries and keys are the batch's own. */
const insideBatch =
  ({ segments }: CausalInput): Attend =>
  (_layer, q, k, v, { window, ...heads }) =>
    attention({ q, k, v, ...heads, mask: { causal: true, window, segments: { queries: segments, keys: segments } } })

/** Computes logits [rows, vocabulary] of a few rows of `hidden`. Tensor code. */
export const logitsOf = (hidden: Tensor2D, { weight, softcap }: Omit<CausalOutput, "hidden">): Tensor2D => {
  const logits = isPacked(weight) ? frozenLinear(hidden, weight, null) : denseLinear(hidden, weight, null)
  return softcap === null ? logits : tf.mul(tf.tanh(tf.div(logits, softcap)), softcap)
}
