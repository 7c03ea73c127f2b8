/**
 * Causal attention of decoders as one kernel: fewer heads of keys and values than of queries, a window, a soft cap, several texts in a
 * row, and keys of tokens before the first query (a cache).
 *
 *   s = scale·qkᵀ      c = cap·tanh(s/cap), or s      P = softmax(c) over the keys that a query attends      O = P·v
 *   dP = dO·vᵀ         dc = P∘(dP − Σ dO∘O)           ds = dc·(1 − (c/cap)²), or dc
 *   dq = scale·ds·k    dk = scale·dsᵀq                dv = Pᵀ·dO                                   dk, dv: sums over the heads of a group
 *
 * Query i of a row is at t = i + (keys − queries). It attends key j iff j ≤ t, t − j < window, and their segments are equal and not
 * negative. A query that attends nothing gives 0, and its gradients are 0.
 *
 * Shapes: q, O [batch·queries, heads·d]; k, v [batch·keys, keyValueHeads·d]; segments int32 [batch·queries], [batch·keys]; P [batch, heads,
 * queries, keys]. Saved: q, k, v, the segments, O, which the layer after it keeps too, and of P two numbers a row, its largest c and its
 * Σ exp(c − largest): the backward pass makes P again, for at 2048 tokens it would be larger than all other activations of a layer.
 */
import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { inPlaceOf } from "../tensors/index.ts"
import type { CausalShape } from "./causal-shape.ts"
import { defineKernel } from "./kernel.ts"
import { causalAttentionGradientOnWasm, causalAttentionOnWasm } from "./wasm/causal-attention.ts"
import { programs } from "./webgpu/loaded.ts"

type Input = "q" | "k" | "v" | "querySegments" | "keySegments"
type Inputs<T> = Readonly<Record<Input, T>>

/** [batch·length, heads·d] → [batch, keyValueHeads, heads/keyValueHeads · length, d]: the heads of a group share keys */
const split = (x: Tensor, { batch, heads, keyValueHeads }: CausalShape, own = heads): Tensor => {
  const [length, d] = [x.shape[0]! / batch, x.shape[1]! / own]
  const heads4 = tf.transpose(tf.reshape(x, [batch, length, own, d]), [0, 2, 1, 3])
  return tf.reshape(heads4, [batch, keyValueHeads, (own / keyValueHeads) * length, d])
}

/** and back */
const merge = (x: Tensor, { batch, keyValueHeads }: CausalShape, own: number): Tensor => {
  const [length, d] = [x.shape[2]! / (own / keyValueHeads), x.shape[3]!]
  const heads4 = tf.reshape(x, [batch, own, length, d])
  return tf.reshape(tf.transpose(heads4, [0, 2, 1, 3]), [batch * length, own * d])
}

/** Whether a query attends a key: bool [batch, 1, group·queries, keys] */
const attends = ({ q, k, querySegments, keySegments }: Inputs<Tensor>, shape: CausalShape): Tensor => {
  const { batch, heads, keyValueHeads, window } = shape
  const [queries, keys] = [q.shape[0]! / batch, k.shape[0]! / batch]
  const t = tf.reshape(tf.range(keys - queries, keys, 1, "int32"), [queries, 1])
  const distance = tf.sub(t, tf.reshape(tf.range(0, keys, 1, "int32"), [1, keys]))
  const before = tf.greaterEqual(distance, tf.scalar(0, "int32"))
  const near = window === null ? before : tf.logicalAnd(before, tf.less(distance, tf.scalar(window, "int32")))
  const own = tf.reshape(querySegments, [batch, queries, 1])
  const others = tf.reshape(keySegments, [batch, 1, keys])
  const together = tf.logicalAnd(tf.equal(own, others), tf.greaterEqual(own, tf.scalar(0, "int32")))
  const mask = tf.expandDims(tf.logicalAnd(together, tf.expandDims(near, 0)), 1)
  return tf.concat(
    Array.from({ length: heads / keyValueHeads }, () => mask),
    2
  )
}

/** c and P of every row; a row without keys is 0 */
const weights = (inputs: Inputs<Tensor>, shape: CausalShape) => {
  const { scale, softcap, keyValueHeads } = shape
  const mask = attends(inputs, shape)
  const K = split(inputs.k, shape, keyValueHeads)
  const scaled = inPlaceOf(
    inPlaceOf(split(inputs.q, shape), (Q) => tf.matMul(Q, K, false, true)),
    (s) => tf.mul(s, scale)
  )
  const c = softcap === null ? scaled : inPlaceOf(scaled, (s) => tf.mul(tf.tanh(tf.div(s, softcap)), softcap))
  const whole = tf.broadcastTo(mask, c.shape)
  const most = tf.max(tf.where(whole, c, tf.fill(c.shape, -3e38)), -1, true)
  const e = tf.where(whole, tf.exp(tf.sub(c, most)), tf.zerosLike(c))
  const none = tf.cast(tf.logicalNot(tf.any(mask, -1, true)), "float32")
  const P = tf.div(e, tf.add(tf.sum(e, -1, true), none))
  return { c, P }
}

const reference = (inputs: Inputs<Tensor>, shape: CausalShape): ReadonlyArray<Tensor> => {
  if (inputs.q.size === 0 || inputs.k.size === 0) return [tf.zerosLike(inputs.q), tf.zeros([1])]
  const { P } = weights(inputs, shape)
  const O = tf.matMul(P, split(inputs.v, shape, shape.keyValueHeads))
  return [merge(O, shape, shape.heads), tf.zeros([1])]
}

const referenceBackward = (
  { dO, O, ...inputs }: Inputs<Tensor> & { readonly dO: Tensor; readonly O: Tensor },
  shape: CausalShape
): ReadonlyArray<Tensor> => {
  const { q, k, v } = inputs
  if (q.size === 0 || k.size === 0) return [q, k, v].map((x) => tf.zerosLike(x))
  const { heads, keyValueHeads, scale, softcap } = shape
  const { c, P } = weights(inputs, shape)
  const dOut = split(dO, shape)
  const dP = tf.matMul(dOut, split(v, shape, keyValueHeads), false, true)
  const dc = tf.mul(P, tf.sub(dP, tf.sum(tf.mul(dOut, split(O, shape)), -1, true)))
  const slope = softcap === null ? dc : tf.mul(dc, tf.sub(1, tf.square(tf.div(c, softcap))))
  const ds = tf.mul(slope, scale)
  return [
    merge(tf.matMul(ds, split(k, shape, keyValueHeads)), shape, heads),
    merge(tf.matMul(ds, split(q, shape), true, false), shape, keyValueHeads),
    merge(tf.matMul(P, dOut, true, false), shape, keyValueHeads)
  ]
}

/** dq, dk, dv together, for they share ds. */
const gradients = defineKernel<Input | "dO" | "O" | "statistics", CausalShape>({
  name: "CausalAttentionGradient",
  reference: referenceBackward,
  wasm: (inputs, shape, engine) => causalAttentionGradientOnWasm(engine, inputs, shape),
  webgpu: (inputs, shape, engine) => programs().causalAttentionGradientOnWebgpu(engine, inputs, shape)
})

const kernel = defineKernel<Input, CausalShape>({
  name: "CausalAttention",
  reference,
  wasm: (inputs, shape, engine) => causalAttentionOnWasm(engine, inputs, shape),
  webgpu: (inputs, shape, engine) => programs().causalAttentionOnWebgpu(engine, inputs, shape),
  inputsToSave: ["q", "k", "v", "querySegments", "keySegments"],
  outputsToSave: [true, true],
  gradient: ([dO], [q, k, v, querySegments, keySegments, O, statistics], shape) => {
    const inputs = { q: q!, k: k!, v: v!, querySegments: querySegments!, keySegments: keySegments! }
    // here rather than in a closure: all three share ds
    const [dq, dk, dv] = gradients({ ...inputs, dO: dO!, O: O!, statistics: statistics! }, shape)
    return { q: () => dq!, k: () => dk!, v: () => dv! }
  }
})

/**
 * q [batch·queries, heads·d], k and v [batch·keys, keyValueHeads·d], segments int32 [batch·queries] and [batch·keys] (−1: padding) →
 * [batch·queries, heads·d]; gradients for q, k and v.
 */
export const causalAttention = (
  q: Tensor2D,
  k: Tensor2D,
  v: Tensor2D,
  querySegments: Tensor1D,
  keySegments: Tensor1D,
  shape: CausalShape
): Tensor2D => {
  const [O, statistics] = kernel({ q, k, v, querySegments, keySegments }, { ...shape })
  statistics!.dispose() // the tape holds its own handle
  return O as Tensor2D
}
