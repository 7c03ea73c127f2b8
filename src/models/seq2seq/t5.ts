/**
 * T5 (Raffel et al., arXiv 1910.10683), T5 v1.1 and Flan-T5 (a gated feed-forward layer, an output layer of its own), mT5 (Xue et al.,
 * arXiv 2010.11934) and UMT5 (Chung et al., arXiv 2304.09151): an encoder and a decoder of pre-norm blocks without biases, whose scores have
 * relative positions and no scale. The positions of a stack's first block serve all of its blocks, so that they are looked up once a pass; UMT5's
 * blocks have positions of their own.
 *
 *   encoder    s = h + W_o·attention(norm h)                                      h ← s + ffn(norm s)
 *   decoder    s = h + W_o·attention(norm h)      t = s + W_o·cross(norm s)       h ← t + ffn(norm t)
 *   ffn        W_o·relu(W_i x), or W_o(act(W_i0 x)∘W_i1 x)                        logits = E·norm(h), or E·norm(h)/√hidden
 *
 * Hidden states are [tokens, hidden] with tokens = texts·length. Always in evaluation mode: no dropout, not even in training.
 *
 * @see transformers `T5ForConditionalGeneration`, `MT5ForConditionalGeneration`, `UMT5ForConditionalGeneration`
 */
import type { Tensor, Tensor1D, Tensor2D, Tensor3D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Result from "effect/Result"
import {
  attention,
  gelu,
  rmsNorm,
  rmsNormAndSum,
  type Segments,
  segmentsOfPadding,
  swiglu
} from "../../kernels/index.ts"
import { fanOut, type Linear, type LinearSite, type Weights } from "../../tensors/index.ts"
import { linearParameters, type ParameterSpec, type RunBlock, runOnce } from "../model.ts"
import { type Buckets, type Places, relativeBias } from "./relative-positions.ts"
import type { AttendSoFar, EncoderDecoder, Seq2SeqFamily, Seq2SeqInput } from "./seq2seq-model.ts"
import { readMt5, readT5, readUmt5, type T5Config } from "./t5-config.ts"

interface AttentionSites {
  readonly query: LinearSite
  readonly key: LinearSite
  readonly value: LinearSite
  readonly output: LinearSite
}

interface Block {
  readonly self: AttentionSites
  /** of a decoder */
  readonly cross: AttentionSites | null
  /** what is activated, and what that is multiplied with where the layer is gated; then what follows */
  readonly inner: ReadonlyArray<LinearSite>
  readonly outer: LinearSite
  /** its own table of relative positions; null: it has the stack's */
  readonly positions: string | null
  /** γ before each of these, in their order */
  readonly norms: ReadonlyArray<string>
}

const sitesOf = ({ self, cross, inner, outer }: Block): ReadonlyArray<LinearSite> => [
  ...[self, cross].flatMap((attentionNames) => (attentionNames === null ? [] : Object.values(attentionNames))),
  ...inner,
  outer
]

const blockOf = (config: T5Config, stack: "encoder" | "decoder", index: number): Block => {
  const { hiddenSize, attentionHeads, headDim, intermediateSize } = config
  const parts =
    stack === "encoder" ? ["SelfAttention", "DenseReluDense"] : ["SelfAttention", "EncDecAttention", "DenseReluDense"]
  const at = (part: number) => `${stack}.block.${index}.layer.${part}`
  const site = (name: string, part: "attention" | "mlp", out: number, inputs: number): LinearSite => ({
    name,
    kind: "dense",
    part,
    out,
    in: inputs,
    bias: false
  })
  const wide = attentionHeads * headDim
  const sitesOfAttention = (part: number): AttentionSites => {
    const projection = (name: string) => site(`${at(part)}.${parts[part]}.${name}`, "attention", wide, hiddenSize)
    return {
      query: projection("q"),
      key: projection("k"),
      value: projection("v"),
      output: site(`${at(part)}.${parts[part]}.o`, "attention", hiddenSize, wide)
    }
  }
  const last = parts.length - 1
  const dense = `${at(last)}.${parts[last]}`
  return {
    self: sitesOfAttention(0),
    cross: stack === "encoder" ? null : sitesOfAttention(1),
    inner: (config.gated ? ["wi_0", "wi_1"] : ["wi"]).map((name) =>
      site(`${dense}.${name}`, "mlp", intermediateSize, hiddenSize)
    ),
    outer: site(`${dense}.wo`, "mlp", hiddenSize, intermediateSize),
    positions: config.positionsInEachBlock ? positionsOf(stack, index) : null,
    norms: parts.map((_, part) => `${at(part)}.layer_norm.weight`)
  }
}

const positionsOf = (stack: "encoder" | "decoder", block: number) =>
  `${stack}.block.${block}.layer.0.SelfAttention.relative_attention_bias.weight`

interface T5Stack {
  readonly blocks: ReadonlyArray<Block>
  readonly buckets: Buckets
  /** the table of relative positions that all blocks share; null: each has its own */
  readonly positions: string | null
  /** γ after the last block */
  readonly norm: string
}

const stackOf = (config: T5Config, stack: "encoder" | "decoder", layers: number): T5Stack => ({
  blocks: Array.from({ length: layers }, (_, i) => blockOf(config, stack, i)),
  buckets: { ...config.buckets, bothWays: stack === "encoder" },
  positions: config.positionsInEachBlock ? null : positionsOf(stack, 0),
  norm: `${stack}.final_layer_norm.weight`
})

const EMBEDDING = "shared.weight"
const OUTPUT_LAYER = "lm_head.weight"

const encoderDecoderOf = (family: string, config: T5Config): EncoderDecoder => {
  const { hiddenSize, vocabularySize, attentionHeads, layers, decoderLayers } = config
  const [encoder, decoder] = [stackOf(config, "encoder", layers), stackOf(config, "decoder", decoderLayers)]
  const stacks = [encoder, decoder]
  const table = [vocabularySize, hiddenSize]
  const norm = (name: string): ParameterSpec => ({ name, shape: [hiddenSize] })
  return {
    ...config,
    family,
    sites: stacks.flatMap(({ blocks }) => blocks.flatMap(sitesOf)),
    parameters: [
      { name: EMBEDDING, shape: table },
      ...stacks.flatMap(({ blocks, buckets, positions, norm: final }) => [
        ...[positions, ...blocks.map((block) => block.positions)].flatMap((name) =>
          name === null ? [] : [{ name, shape: [buckets.count, attentionHeads] }]
        ),
        ...blocks.flatMap((block) => [...sitesOf(block).flatMap(linearParameters), ...block.norms.map(norm)]),
        norm(final)
      ]),
      { name: OUTPUT_LAYER, shape: table }
    ],
    embedding: EMBEDDING,
    otherNames: { [EMBEDDING]: ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight"] },
    outputLayer: OUTPUT_LAYER,
    // an output that is not scaled comes from a layer of its own in every published model
    tied: config.scaled,
    encode: (input, linear, weights, runBlock) => encode(config, encoder, input, { linear, weights, runBlock }),
    decode: (input, encoded, linear, weights, runBlock) =>
      decode(config, decoder, input, encoded, { linear, weights, runBlock })
  }
}

interface Pass {
  readonly linear: Linear
  readonly weights: Weights
  readonly runBlock?: RunBlock | undefined
}

const embedded = (ids: Tensor2D, weights: Weights): Tensor2D =>
  tf.gather(weights(EMBEDDING) as Tensor2D, tf.reshape<tf.Rank.R1>(ids, [ids.size]))

/** What is added to the scores. */
const biasOf = (table: string, { buckets }: T5Stack, places: Places, { weights }: Pass): Tensor3D =>
  tf.tidy(() => relativeBias(weights(table) as Tensor2D, buckets, places))

const scaleOf = (name: string, { weights }: Pass) => weights(name) as Tensor1D

/** A block with the biases that its stack shares, or its own. */
type RunBiased = (h: Tensor2D, bias: Tensor3D, ...others: ReadonlyArray<Tensor>) => Tensor2D

/** A stack's blocks over `before`, one after another; each is given its biases, and tensors that are the same for all. */
const runBlocks = (
  stack: T5Stack,
  before: Tensor2D,
  places: Places,
  pass: Pass,
  run: (block: Block, layer: number) => RunBiased,
  ...others: ReadonlyArray<Tensor>
): Tensor2D => {
  const { runBlock = runOnce } = pass
  const shared = stack.positions === null ? [] : [biasOf(stack.positions, stack, places, pass)]
  return stack.blocks.reduce((h, block, layer) => {
    const through = (x: Tensor, ...extras: ReadonlyArray<Tensor>) =>
      tf.tidy(() => {
        const biases = block.positions === null ? [] : [biasOf(block.positions, stack, places, pass)]
        const [bias, ...same] = [...biases, ...extras]
        return run(block, layer)(x as Tensor2D, bias as Tensor3D, ...same)
      })
    return runBlock(through, h, ...shared, ...others)
  }, before)
}

const encode = (config: T5Config, stack: T5Stack, input: Seq2SeqInput, pass: Pass): Tensor2D =>
  tf.tidy(() => {
    const [batch, length] = input.inputIds.shape
    const { queries, keys } = segmentsOfPadding(input.attentionMask)
    const through =
      (block: Block): RunBiased =>
      (h, bias, queries, keys) =>
        encoderBlock(config, block, h, { batch, bias, segments: { queries, keys } as Segments }, pass)
    const places = { queries: length, keys: length, from: 0 }
    const last = runBlocks(stack, embedded(input.inputIds, pass.weights), places, pass, through, queries, keys)
    return rmsNorm(last, null, scaleOf(stack.norm, pass), config.normEpsilon)
  })

interface Encoded {
  readonly batch: number
  readonly bias: Tensor3D
  readonly segments: Segments
}

const encoderBlock = (
  config: T5Config,
  block: Block,
  h: Tensor2D,
  { batch, bias, segments }: Encoded,
  pass: Pass
): Tensor2D => {
  const { attentionHeads: heads, normEpsilon } = config
  const [before, between] = block.norms
  const y = rmsNorm(h, null, scaleOf(before!, pass), normEpsilon)
  const [q, k, v] = projected(block.self, y, pass)
  const mixed = attention({ q, k, v, batch, heads, scale: 1, mask: { segments }, bias })
  const [z, s] = rmsNormAndSum(pass.linear(block.self.output, mixed), h, scaleOf(between!, pass), normEpsilon)
  return tf.add(s, feedForward(config, block, z, pass))
}

const decode = (
  config: T5Config,
  stack: T5Stack,
  input: Seq2SeqInput,
  encoded: Tensor2D | null,
  pass: Pass
): Tensor2D =>
  tf.tidy(() => {
    const { decoderInputIds, attend = insideBatch(config, input) } = input
    const queries = decoderInputIds.shape[1]
    const places = { queries, keys: attend.before + queries, from: attend.before }
    // several texts of a source are several queries
    const ofSources = segmentsOfPadding(input.attentionMask, decoderInputIds.size)
    const through =
      (block: Block, layer: number): RunBiased =>
      (h, bias, queries, keys, read) => {
        const segments = { queries, keys } as Segments
        return decoderBlock(
          config,
          block,
          layer,
          h,
          { bias, segments, read: (read ?? null) as Tensor2D | null, attend },
          pass
        )
      }
    const others = [ofSources.queries, ofSources.keys, ...(encoded === null ? [] : [encoded])]
    const last = runBlocks(stack, embedded(decoderInputIds, pass.weights), places, pass, through, ...others)
    const hidden = rmsNorm(last, null, scaleOf(stack.norm, pass), config.normEpsilon)
    return config.scaled ? tf.mul(hidden, Math.fround(config.hiddenSize ** -0.5)) : hidden
  })

/** Keys and values are the batch's own. */
const insideBatch = ({ attentionHeads: heads }: T5Config, { decoderInputIds }: Seq2SeqInput): AttendSoFar => {
  const shape = { batch: decoderInputIds.shape[0], heads, scale: 1 }
  return {
    before: 0,
    sourcesRead: false,
    self: (_layer, q, k, v, bias) => attention({ q, k, v, ...shape, mask: { causal: true }, bias }),
    cross: (_layer, q, keyValues, segments) => {
      const [k, v] = keyValues!
      return attention({ q, k, v, ...shape, mask: { segments } })
    }
  }
}

interface Attended {
  readonly bias: Tensor3D
  /** of the sources' tokens */
  readonly segments: Segments
  /** the encoder's hidden states; null: their keys and values are known */
  readonly read: Tensor2D | null
  readonly attend: AttendSoFar
}

const decoderBlock = (
  config: T5Config,
  block: Block,
  layer: number,
  h: Tensor2D,
  { bias, segments, read, attend }: Attended,
  pass: Pass
): Tensor2D => {
  const { linear } = pass
  const [before, between, after] = block.norms
  const over = block.cross!
  const y = rmsNorm(h, null, scaleOf(before!, pass), config.normEpsilon)
  const [q, k, v] = projected(block.self, y, pass)
  const attended = linear(block.self.output, attend.self(layer, q, k, v, bias))
  const [x, s] = rmsNormAndSum(attended, h, scaleOf(between!, pass), config.normEpsilon)
  const keyValues =
    read === null ? null : (fanOut(linear, [over.key, over.value], read).outputs as [Tensor2D, Tensor2D])
  const mixed = linear(over.output, attend.cross(layer, linear(over.query, x), keyValues, segments))
  const [z, t] = rmsNormAndSum(mixed, s, scaleOf(after!, pass), config.normEpsilon)
  return tf.add(t, feedForward(config, block, z, pass))
}

const projected = ({ query, key, value }: AttentionSites, y: Tensor2D, { linear }: Pass) =>
  fanOut(linear, [query, key, value], y).outputs as [Tensor2D, Tensor2D, Tensor2D]

/** z [tokens, hidden] → [tokens, hidden] */
const feedForward = ({ activation }: T5Config, { inner, outer }: Block, z: Tensor2D, { linear }: Pass): Tensor2D => {
  const [first, gated] = fanOut(linear, inner, z).outputs as [Tensor2D, Tensor2D?]
  if (activation === "silu" && gated !== undefined) return linear(outer, swiglu(first, gated))
  const active = activation === "relu" ? tf.relu<Tensor2D>(first) : gelu(first, "tanh")
  return linear(outer, gated === undefined ? active : tf.mul(active, gated))
}

const family = (name: string, className: string, read: typeof readT5): Seq2SeqFamily => ({
  name,
  className,
  open: (config) => Result.map(read(config), (config) => encoderDecoderOf(name, config))
})

/** T5. */
export const t5 = family("t5", "T5ForConditionalGeneration", readT5)
/** mT5. */
export const mt5 = family("mt5", "MT5ForConditionalGeneration", readMt5)
/** UMT5. */
export const umt5 = family("umt5", "UMT5ForConditionalGeneration", readUmt5)
