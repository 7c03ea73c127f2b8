/**
 * Multi-head attention as one kernel: heads that share keys and values or not, causal or both ways, within a window or not, over padded
 * sequences or several texts in a row, with a bias on the scores or a soft cap.
 *
 *   s = scale·qkᵀ + bias      c = cap·tanh(s/cap), or s      P = softmax(c) over the keys that a query attends      O = P·v
 *   dP = dO·vᵀ         dc = P∘(dP − Σ dO∘O)           ds = dc·(1 − (c/cap)²), or dc
 *   dq = scale·ds·k    dk = scale·dsᵀq    dv = Pᵀ·dO   dbias = ds               dk, dv: sums over the heads of a group; dbias: over the batch
 *
 * Query i of a sequence is at t = i + (keys − queries), which has keys of tokens before the first query (a cache). It attends key j iff
 * t − back ≤ j ≤ t + ahead, and their segments are equal and not negative. A query that attends nothing gives 0, and its gradients are 0.
 *
 * Shapes: q, O [batch·queries, heads·d]; k, v [batch·keys, keyHeads·d]; segments int32 [batch·queries], [batch·keys]; bias [heads, queries,
 * keys]; P [batch, heads, queries, keys]. Saved: inputs, O, which the layer after it keeps too, and of P two numbers a row, its largest c
 * and 1/Σ exp(c − largest), from which the backward pass makes P again: at 2048 tokens it would be larger than all other activations of a
 * layer. On wasm, short sequences whose queries attend everything keep P (`wasm/attention.ts`).
 *
 * @see arXiv 1706.03762 (attention), 2305.13245 (grouped heads), 2205.14135 (FlashAttention)
 */
import type { Tensor, Tensor1D, Tensor2D, Tensor3D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { inPlaceOf } from "../tensors/index.ts"
import { type AttentionShape, EVERY } from "./attention-shape.ts"
import { defineKernel, type KernelDefinition } from "./kernel.ts"
import { attentionAloneOnWasm, attentionGradientOnWasm, attentionOnWasm } from "./wasm/attention.ts"
import { programs } from "./webgpu/loaded.ts"

const INPUTS = ["q", "k", "v", "querySegments", "keySegments"] as const
type Inputs<T> = Readonly<Record<(typeof INPUTS)[number], T>> & { readonly bias?: T }

/** [batch·length, heads·d] → [batch, keyHeads, heads/keyHeads · length, d]: the heads of a group share keys */
const split = (x: Tensor, { batch, heads, keyHeads }: AttentionShape, headsOfX = heads): Tensor => {
  const [length, d] = [x.shape[0]! / batch, x.shape[1]! / headsOfX]
  const heads4 = tf.transpose(tf.reshape(x, [batch, length, headsOfX, d]), [0, 2, 1, 3])
  return tf.reshape(heads4, [batch, keyHeads, (headsOfX / keyHeads) * length, d])
}

/** and back */
const merge = (x: Tensor, { batch, keyHeads }: AttentionShape, headsOfX: number): Tensor => {
  const [length, d] = [x.shape[2]! / (headsOfX / keyHeads), x.shape[3]!]
  const heads4 = tf.reshape(x, [batch, headsOfX, length, d])
  return tf.reshape(tf.transpose(heads4, [0, 2, 1, 3]), [batch * length, headsOfX * d])
}

/** Whether a query attends a key: bool [batch, 1, group·queries, keys] */
const attends = ({ q, k, querySegments, keySegments }: Inputs<Tensor>, shape: AttentionShape): Tensor => {
  const { batch, heads, keyHeads, back, ahead } = shape
  const [queries, keys] = [q.shape[0]! / batch, k.shape[0]! / batch]
  const t = tf.reshape(tf.range(keys - queries, keys, 1, "int32"), [queries, 1])
  const distance = tf.sub(t, tf.reshape(tf.range(0, keys, 1, "int32"), [1, keys]))
  const near = tf.logicalAnd(
    tf.lessEqual(distance, tf.scalar(back, "int32")),
    tf.greaterEqual(distance, tf.scalar(-ahead, "int32"))
  )
  const ofQueries = tf.reshape(querySegments, [batch, queries, 1])
  const others = tf.reshape(keySegments, [batch, 1, keys])
  const together = tf.logicalAnd(tf.equal(ofQueries, others), tf.greaterEqual(ofQueries, tf.scalar(0, "int32")))
  const mask = tf.expandDims(tf.logicalAnd(together, tf.expandDims(near, 0)), 1)
  return tf.concat(
    Array.from({ length: heads / keyHeads }, () => mask),
    2
  )
}

/** c and P of every row; a row without keys is 0 */
const weights = (inputs: Inputs<Tensor>, shape: AttentionShape) => {
  const { scale, softCap, keyHeads } = shape
  const mask = attends(inputs, shape)
  const K = split(inputs.k, shape, keyHeads)
  const scaled = inPlaceOf(
    inPlaceOf(split(inputs.q, shape), (Q) => tf.matMul(Q, K, false, true)),
    (s) => tf.mul(s, scale)
  )
  const { bias } = inputs
  const rows = scaled.shape.slice(1)
  const s = bias === undefined ? scaled : inPlaceOf(scaled, (scores) => tf.add(scores, tf.reshape(bias, rows)))
  const c = softCap === null ? s : inPlaceOf(s, (scores) => tf.mul(tf.tanh(tf.div(scores, softCap)), softCap))
  const whole = tf.broadcastTo(mask, c.shape)
  const most = tf.max(tf.where(whole, c, tf.fill(c.shape, -3e38)), -1, true)
  const e = tf.where(whole, tf.exp(tf.sub(c, most)), tf.zerosLike(c))
  const none = tf.cast(tf.logicalNot(tf.any(mask, -1, true)), "float32")
  const P = tf.div(e, tf.add(tf.sum(e, -1, true), none))
  return { c, P }
}

const isEmpty = ({ q, k }: Inputs<Tensor>) => q.size === 0 || k.size === 0

/** O; what else is saved is not needed here */
const reference = (inputs: Inputs<Tensor>, shape: AttentionShape): ReadonlyArray<Tensor> => {
  if (isEmpty(inputs)) return [tf.zerosLike(inputs.q), tf.zeros([1])]
  const { P } = weights(inputs, shape)
  const O = tf.matMul(P, split(inputs.v, shape, shape.keyHeads))
  return [merge(O, shape, shape.heads), tf.zeros([1])]
}

type Outputs<T> = Inputs<T> & Readonly<Record<"dO" | "O", T>>

/** P, and ds [batch, keyHeads, group·queries, keys] */
const slopes = ({ dO, O, ...inputs }: Outputs<Tensor>, shape: AttentionShape) => {
  const { softCap, keyHeads } = shape
  const { c, P } = weights(inputs, shape)
  const dOut = split(dO, shape)
  const dP = tf.matMul(dOut, split(inputs.v, shape, keyHeads), false, true)
  const dc = tf.mul(P, tf.sub(dP, tf.sum(tf.mul(dOut, split(O, shape)), -1, true)))
  return { P, dOut, ds: softCap === null ? dc : tf.mul(dc, tf.sub(1, tf.square(tf.div(c, softCap)))) }
}

const referenceBackward = (outputs: Outputs<Tensor>, shape: AttentionShape): ReadonlyArray<Tensor> => {
  const { q, k, v } = outputs
  if (isEmpty(outputs)) return [q, k, v].map((x) => tf.zerosLike(x))
  const { heads, keyHeads, scale } = shape
  const { P, dOut, ds } = slopes(outputs, shape)
  const scaled = inPlaceOf(ds, (slopes) => tf.mul(slopes, scale))
  return [
    merge(tf.matMul(scaled, split(k, shape, keyHeads)), shape, heads),
    merge(tf.matMul(scaled, split(q, shape), true, false), shape, keyHeads),
    merge(tf.matMul(P, dOut, true, false), shape, keyHeads)
  ]
}

/** Of tfjs ops everywhere: nothing that is trained by default needs it. */
const biasGradient = (outputs: Outputs<Tensor>, shape: AttentionShape): Tensor =>
  isEmpty(outputs) ? tf.zerosLike(outputs.bias!) : tf.reshape(tf.sum(slopes(outputs, shape).ds, 0), outputs.bias!.shape)

type Forward = KernelDefinition<keyof Inputs<Tensor>, AttentionShape>

const kernelOf = (name: "Attention" | "BiasedAttention", inputs: ReadonlyArray<keyof Inputs<Tensor>>) => {
  /** dq, dk, dv together, for they share ds. */
  const gradients = defineKernel<keyof Outputs<Tensor> | "kept", AttentionShape>({
    name: `${name}Gradient`,
    reference: referenceBackward,
    wasm: (inputs, shape, engine) => attentionGradientOnWasm(engine, inputs, shape),
    webgpu: (inputs, shape, engine) => programs().attentionGradientOnWebgpu(engine, inputs, shape)
  })
  const forwards = {
    reference,
    webgpu: (inputs, shape, engine) => programs().attentionOnWebgpu(engine, inputs, shape)
  } satisfies Partial<Forward>
  return defineKernel<keyof Inputs<Tensor>, AttentionShape>({
    ...forwards,
    name,
    wasm: (inputs, shape, engine) => attentionOnWasm(engine, inputs, shape),
    untaped: {
      ...forwards,
      name: `${name}Alone`,
      wasm: (inputs, shape, engine) => attentionAloneOnWasm(engine, inputs, shape)
    },
    inputsToSave: inputs,
    outputsToSave: [true, true],
    gradient: ([dO], saved, shape) => {
      const operands = Object.fromEntries(inputs.map((input, i) => [input, saved[i]!])) as unknown as Required<
        Inputs<Tensor>
      >
      const [O, statistics] = saved.slice(inputs.length)
      const all = { ...operands, dO: dO!, O: O! }
      // here rather than in a closure: all three share ds
      const [dq, dk, dv] = gradients({ ...all, kept: statistics! }, shape)
      const slopes = { q: () => dq!, k: () => dk!, v: () => dv! }
      return name === "Attention" ? slopes : { ...slopes, bias: () => biasGradient(all, shape) }
    }
  })
}

const plain = kernelOf("Attention", INPUTS)
const biased = kernelOf("BiasedAttention", [...INPUTS, "bias"])

/** The text, within its sequence, to which each query and each key belongs. */
export interface Segments {
  /** int32 [batch·queries]: segment of each query, which attends the keys of its own segment; −1: attends no key */
  readonly queries: Tensor1D
  /** int32 [batch·keys]: segment of each key; −1: padding, which no query attends */
  readonly keys: Tensor1D
}

/** Keys that a query attends. */
export interface AttentionMask {
  /** whether a query attends only keys up to its own position; default false */
  readonly causal?: boolean
  /** a query attends keys fewer than this many positions away: with 1, only the key at its own position; null: all; default null */
  readonly window?: number | null
  /** texts of queries and keys; null: every query attends every key that `causal` and `window` allow; default null */
  readonly segments?: Segments | null
}

/** Number of heads, and scaling of the scores. */
export interface AttentionHeads {
  /** number of sequences */
  readonly batch: number
  readonly heads: number
  /** heads of keys and values, each for as many adjacent heads of queries; default: `heads` */
  readonly keyHeads?: number
  /** factor of the scores; default 1/√d */
  readonly scale?: number
  /** cap of the scores s, which become cap·tanh(s/cap); null: none; default null */
  readonly softCap?: number | null
}

/** Inputs of `attention`. */
export interface Attention extends AttentionHeads {
  /** [batch·queries, heads·d] */
  readonly q: Tensor2D
  /** [batch·keys, keyHeads·d] */
  readonly k: Tensor2D
  readonly v: Tensor2D
  readonly mask?: AttentionMask
  /** `[heads, queries, keys]`: added to the scores of each sequence; null: none; default null */
  readonly bias?: Tensor3D | null
}

/**
 * Computes attention: softmax(scale·qkᵀ + bias)·v per head. Returns [batch·queries, heads·d]; gradients for q, k, v and bias.
 *
 * Padding before, after or between texts does not change their values: give it the segment −1.
 */
export const attention = ({ q, k, v, batch, heads, mask = {}, bias = null, ...scores }: Attention): Tensor2D => {
  const { keyHeads = heads, scale = 1 / Math.sqrt(q.shape[1] / heads), softCap = null } = scores
  const { causal = false, window = null, segments = null } = mask
  const reach = window === null ? EVERY : window - 1
  const shape: AttentionShape = { batch, heads, keyHeads, scale, softCap, back: reach, ahead: causal ? 0 : reach }
  const every = (x: Tensor2D) => tf.zeros<tf.Rank.R1>([x.shape[0]], "int32")
  const made = segments === null ? { queries: every(q), keys: every(k) } : null
  const { queries: querySegments, keys: keySegments } = (segments ?? made)!
  const inputs = { q, k, v, querySegments, keySegments }
  const run = bias === null ? plain(inputs as Required<Inputs<Tensor>>, shape) : biased({ ...inputs, bias }, shape)
  const [O, ...statistics] = run
  // the tape holds its own handles
  tf.dispose([...statistics, ...Object.values(made ?? {})])
  return O as Tensor2D
}

/**
 * Returns the segments of a padded batch from its mask [batch, length], 1 for tokens: every query attends the tokens. `queries`: total number of
 * queries; default: as many as keys.
 */
export const segmentsOfPadding = (attentionMask: Tensor2D, queries = attentionMask.size): Segments => ({
  queries: tf.zeros([queries], "int32"),
  keys: tf.tidy(() => {
    const tokens = tf.cast(tf.reshape<tf.Rank.R1>(attentionMask, [attentionMask.size]), "int32")
    return tf.sub(tokens, tf.scalar(1, "int32"))
  })
})
