/**
 * Multi-head scaled dot-product attention over padded sequences, as one kernel.
 *
 *   S = QKᵀ/√d + m        P = softmax(S)        O = PV                    per sequence and head, m = 0 or −10⁹ (padding)
 *   dP = dO·Vᵀ        dS = P∘(dP − Σ_keys dP∘P)        dQ = dS·K/√d        dK = dSᵀQ/√d        dV = Pᵀ·dO
 *
 * Shapes: q, k, v, O [batch·length, heads·d]; Q, K, V [batch, heads, length, d]; S, P [batch, heads, length, length];
 * m [batch, 1, 1, length]. Saved: q, k, v as the linear layers made them, and P; on a GPU not P, but two numbers of each of its
 * rows and O, which the layer after it often keeps too (`webgpu/attention.ts`).
 *
 * The mask is a large finite number: with −∞, a row of padding alone would be NaN, and so would every gradient after it.
 */
import type { Tensor, Tensor2D, Tensor4D, TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { inPlaceOf } from "../tensors/index.ts"
import { declareKernel, optional, reads, write, writes } from "./declaration.ts"
import { defineKernel } from "./kernel.ts"
import type { WasmEngine } from "./wasm/engine.ts"
import type { WebgpuEngine } from "./webgpu/engine.ts"
import { programs } from "./webgpu/loaded.ts"

interface Shape {
  readonly batch: number
  readonly heads: number
}

const MASKED = -1e9

/** [batch, length] with 1 for tokens → the m above, to be made once a forward pass. */
export const additiveMask = (attentionMask: Tensor2D): Tensor4D => {
  const [batch, length] = attentionMask.shape
  return tf.reshape(tf.mul(tf.sub(1, attentionMask), MASKED), [batch, 1, 1, length])
}

/** [batch·length, heads·d] → [batch, heads, length, d] */
const split = (x: Tensor, { batch, heads }: Shape, length: number): Tensor =>
  tf.transpose(tf.reshape(x, [batch, length, heads, x.shape[1]! / heads]), [0, 2, 1, 3])

/** and back */
const merge = (x: Tensor): Tensor => {
  const [batch, heads, length, d] = x.shape as [number, number, number, number]
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batch * length, heads * d])
}

const scaleOf = (q: Tensor, { heads }: Shape) => 1 / Math.sqrt(q.shape[1]! / heads)

const forward = (q: Tensor, k: Tensor, v: Tensor, mask: Tensor, shape: Shape): [Tensor, Tensor] => {
  const length = mask.shape[3]! // the tokens do not say it of an empty batch
  // scaling Q is cheaper than scaling S wherever d < length
  const Q = inPlaceOf(split(q, shape, length), (x) => tf.mul(x, scaleOf(q, shape)))
  const S = inPlaceOf(Q, () => inPlaceOf(split(k, shape, length), (K) => tf.matMul(Q, K, false, true)))
  const P = inPlaceOf(
    inPlaceOf(S, (s) => tf.add(s, mask)),
    (s) => tf.softmax(s)
  )
  const O = inPlaceOf(split(v, shape, length), (V) => tf.matMul(P, V))
  return [inPlaceOf(O, merge), P]
}

const backward = (dO: Tensor, q: Tensor, k: Tensor, v: Tensor, P: Tensor, shape: Shape): [Tensor, Tensor, Tensor] => {
  const scale = scaleOf(q, shape)
  const length = P.shape[2]!
  const dOut = split(dO, shape, length)
  const dv = inPlaceOf(tf.matMul(P, dOut, true, false), merge)
  const dP = inPlaceOf(dOut, () => inPlaceOf(split(v, shape, length), (V) => tf.matMul(dOut, V, false, true)))
  const weighted = inPlaceOf(dP, (x) => tf.mul(x, P))
  const dS = inPlaceOf(weighted, (w) => {
    const total = tf.sum(w, -1, true)
    return inPlaceOf(tf.mul(P, total), (mean) => tf.sub(w, mean))
  })
  const scaled = (x: Tensor) => inPlaceOf(split(x, shape, length), (X) => tf.mul(X, scale))
  const dq = inPlaceOf(
    inPlaceOf(scaled(k), (K) => tf.matMul(dS, K)),
    merge
  )
  const dk = inPlaceOf(
    inPlaceOf(scaled(q), (Q) => tf.matMul(dS, Q, true, false)),
    merge
  )
  dS.dispose()
  return [dq, dk, dv]
}

/** Multiplications below which a second thread, or a chunk of its own, costs more than it saves. */
const WORTH_SHARING = 1 << 16

/** Floats that n columns take up in the panels of either engine, of 32 columns or fewer. */
const inPanels = (n: number): number => Math.ceil(n / 32) * 32
/** Queries that go through everything together, at most, and floats to the next address that vectors like. */
const [ROWS, ALIGNED] = [12, 16]

const WORDS = {
  length: "u32",
  heads: "u32",
  d: "u32",
  scale: "f32",
  /** sequences × heads, and how many of them are a chunk */
  matrices: "u32",
  perChunk: "u32"
} as const

/** Scratch is in bytes. */
const attentionKernel = declareKernel({
  name: "attention",
  buffers: { ...reads("f32", "q", "k", "v", "mask"), p: optional(write("f32")), o: write("f32") },
  words: WORDS,
  scratch: ({ length, d }) =>
    4 * (ALIGNED + (1 + ROWS + inPanels(d)) * inPanels(length) + (ROWS + length) * inPanels(d))
})

const gradientKernel = declareKernel({
  name: "attentionGradient",
  buffers: { ...reads("f32", "q", "k", "v", "p", "dO"), ...writes("f32", "dq", "dk", "dv") },
  words: WORDS,
  scratch: ({ length, d }) =>
    4 * (ALIGNED + 3 * inPanels(d) + length * inPanels(length) + 2 * inPanels(length) * inPanels(d))
})

/** Words of either, and chunks. */
const overHeads = (q: TensorInfo, { batch, heads }: Shape) => {
  const [length, d] = [q.shape[0]! / batch, q.shape[1]! / heads]
  const matrices = batch * heads
  const perChunk = Math.min(matrices, Math.ceil(WORTH_SHARING / (2 * length * length * d)))
  const words = { length, heads, d, scale: 1 / Math.sqrt(d), matrices, perChunk }
  return [words, { chunks: Math.ceil(matrices / perChunk) }] as const
}

type Inputs = Readonly<Record<"q" | "k" | "v" | "mask", TensorInfo>>

/** O and P. */
const forwardOnWasm = (inputs: Inputs, shape: Shape, engine: WasmEngine): ReadonlyArray<TensorInfo> => {
  const length = inputs.q.shape[0]! / shape.batch
  const [o, p] = [engine.output(inputs.q.shape), engine.output([shape.batch, shape.heads, length, length])]
  engine.run(attentionKernel, { ...inputs, p, o }, ...overHeads(inputs.q, shape))
  return [o, p]
}

/** O; of P there are the rows at hand. */
const aloneOnWasm = (inputs: Inputs, shape: Shape, engine: WasmEngine): ReadonlyArray<TensorInfo> => {
  const o = engine.output(inputs.q.shape)
  engine.run(attentionKernel, { ...inputs, o }, ...overHeads(inputs.q, shape))
  return [o]
}

/** O, what is needed of P's rows, and O once more, to be saved. */
const forwardOnWebgpu = (inputs: Inputs, { batch, heads }: Shape, engine: WebgpuEngine): ReadonlyArray<TensorInfo> => {
  const [O, statistics] = programs().attentionOnWebgpu(engine, inputs, batch, heads)
  tf.backend().incRef(O.dataId)
  return [O, statistics, { ...O }]
}

type Saved = "dO" | "q" | "k" | "v" | "P"

/** dq, dk, dv together, for they share dS. On a GPU P's statistics are in its place, and there is O. */
const gradients = defineKernel<Saved, Shape>({
  name: "PaddedAttentionGradient",
  reference: ({ dO, q, k, v, P }, shape) => backward(dO, q, k, v, P, shape),
  wasm: ({ dO, q, k, v, P }, shape, engine) => {
    const [dq, dk, dv] = [engine.output(q.shape), engine.output(k.shape), engine.output(v.shape)]
    engine.run(gradientKernel, { q, k, v, p: P, dO, dq, dk, dv }, ...overHeads(q, shape))
    return [dq, dk, dv]
  },
  webgpu: (
    { P: statistics, O, ...others }: Readonly<Record<Saved, TensorInfo>> & { readonly O?: TensorInfo },
    { heads },
    engine
  ) => programs().attentionGradientOnWebgpu(engine, { ...others, O: O!, statistics }, heads)
})

const forwards = {
  reference: ({ q, k, v, mask }: Readonly<Record<keyof Inputs, Tensor>>, shape: Shape) => forward(q, k, v, mask, shape),
  webgpu: forwardOnWebgpu
}

const kernel = defineKernel<keyof Inputs, Shape>({
  ...forwards,
  name: "PaddedAttention",
  wasm: forwardOnWasm,
  untaped: { ...forwards, name: "PaddedAttentionAlone", wasm: aloneOnWasm },
  inputsToSave: ["q", "k", "v"],
  outputsToSave: [false, true, true],
  gradient: ([dO], [q, k, v, P, O], shape) => {
    const inputs = { dO: dO!, q: q!, k: k!, v: v!, P: P!, ...(O === undefined ? {} : { O }) }
    // all three share dS
    const [dq, dk, dv] = gradients(inputs, shape)
    return { q: dq!, k: dk!, v: dv! }
  }
})

/** q, k, v [batch·length, heads·d], mask [batch, 1, 1, length] → [batch·length, heads·d]; gradients for q, k and v. */
export const paddedAttention = (q: Tensor2D, k: Tensor2D, v: Tensor2D, mask: Tensor4D, shape: Shape): Tensor2D => {
  const [output, ...saved] = kernel({ q, k, v, mask }, { ...shape })
  tf.dispose(saved) // the tape holds its own handles
  return output as Tensor2D
}
