/**
 * A language model's head and its loss as one kernel: cross-entropy of hidden·Wᵀ, without the logits of all tokens.
 *
 *   z = h·Wᵀ      c = cap·tanh(z/cap), or z      loss = 1/N Σ_i (log Σ_j exp(c_ij − m_i) − (c_i,label − m_i)),  m_i = max_j c_ij
 *   dc = (softmax(c) − [j = label])/N      dz = dc·(1 − (c/cap)²), or dc      dh = dz·W      dW = dzᵀ·h
 *
 * Shapes: h [tokens, hidden], W [vocabulary, hidden], labels int32 [tokens]; N: tokens whose label is not `IGNORED`. Logits stand for a
 * chunk of tokens at a time, LOGITS numbers at most: of 512 tokens and a vocabulary of 49 152 all of them would be 100 MB.
 *
 * While a tape is on, dh is made with the loss, from the same logits, and saved: the backward pass only scales it. dW is made where it is
 * wanted (an output layer that is trained), from logits that are made again.
 *
 * Where the loss of each token is wanted (`tokenCrossEntropies`) rather than their mean, 1/N is 1: dh of a token is its own loss's, which
 * the backward pass multiplies with the token's dy, and dW = dzᵀ·(dy ⊙ h). One forward pass, whatever is made of the losses.
 *
 * Rows that do not count, rows without any that does, and labels that are no class: as in cross-entropy.ts. Where a read of the labels
 * need not wait (wasm), rows that do not count cost nothing.
 */
import type { Scalar, Tensor, Tensor1D, Tensor2D, TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import type { FrozenMatrix } from "../tensors/index.ts"
import { inPlaceOf, isRecording } from "../tensors/index.ts"
import { counted, IGNORED, oneHot, wrong } from "./cross-entropy.ts"
import {
  type Form,
  forEachForm,
  formOf,
  type WeightInput,
  weightInputs,
  weightOnWebgpu,
  weightOperand,
  wholeWeight
} from "./frozen-weight.ts"
import { defineKernel } from "./kernel.ts"
import type { WasmEngine } from "./wasm/engine.ts"
import { type Head, headLossOnWasm, headWeightGradientOnWasm, tokenScoresOnWasm } from "./wasm/linear-cross-entropy.ts"
import type { Head as WebgpuHead } from "./webgpu/linear-cross-entropy.ts"
import { programs } from "./webgpu/loaded.ts"

interface Attributes {
  readonly softcap: number | null
}
type Input = "hidden" | WeightInput | "labels"
type Inputs = Readonly<Record<Input, TensorInfo>>

/** What references read. */
type Whole = Readonly<Record<"hidden" | "weight" | "labels", Tensor>>

const wholeOf = (form: Form, { hidden, labels, ...weight }: Readonly<Record<Input, Tensor>>): Whole => ({
  hidden,
  labels,
  weight: wholeWeight(form, weight, hidden.shape[1]!)
})

/** What kernels on wasm read. A W in float32 may be trained, and stays so. */
const headOf = (engine: WasmEngine, form: Form, { hidden, labels, ...weight }: Inputs): Head => ({
  hidden,
  labels,
  classes: weight.W.shape[0]!,
  ...weightOperand(engine, form, weight),
  ...(form === "f32" && { operands: 0 })
})

/** What programs on webgpu read. */
const webgpuHeadOf = (form: Form, { hidden, labels, ...weight }: Inputs): WebgpuHead => ({
  hidden,
  labels,
  ignored: IGNORED,
  classes: weight.W.shape[0]!,
  ...weightOnWebgpu(form, weight)
})

/** Numbers of a chunk's logits, and its rows: as on wasm, so that a test of few numbers sees several chunks. */
const LOGITS = 1 << 23
const MOST_ROWS = 480

/** f over chunks of rows: [first row, rows]. */
const overChunks = <T>({ hidden, weight }: Whole, f: (first: number, rows: number) => T): ReadonlyArray<T> => {
  const tokens = hidden.shape[0]!
  const rows = Math.max(1, Math.min(MOST_ROWS, Math.floor(LOGITS / weight.shape[0]!)))
  return Array.from({ length: Math.ceil(tokens / rows) }, (_, i) => f(i * rows, Math.min(rows, tokens - i * rows)))
}

interface Chunk {
  readonly hidden: Tensor2D
  readonly labels: Tensor1D
  /** c [rows, vocabulary] */
  readonly logits: Tensor
  /** c − m, and Σ exp(c − m) [rows, 1] */
  readonly shifted: Tensor
  readonly sum: Tensor
}

const chunkOf = (inputs: Whole, { softcap }: Attributes, first: number, rows: number): Chunk => {
  const hidden = tf.slice(inputs.hidden as Tensor2D, [first, 0], [rows, -1])
  const labels = tf.slice(inputs.labels as Tensor1D, first, rows)
  const z = tf.matMul(hidden, inputs.weight, false, true)
  const logits = softcap === null ? z : tf.mul(tf.tanh(tf.div(z, softcap)), softcap)
  const shifted = tf.sub(logits, tf.max(logits, 1, true))
  return { hidden, labels, logits, shifted, sum: tf.sum(tf.exp(shifted), 1, true) }
}

/** Of every row; 0 where it does not count. */
const lossesOf = ({ labels, shifted, sum }: Chunk): Tensor => {
  const classes = shifted.shape[1]!
  // a place that is −∞ must not meet the 0 of another class
  const labelLogits = tf.sum(tf.where(tf.cast(oneHot(labels, classes), "bool"), shifted, tf.zerosLike(shifted)), 1)
  const losses = tf.add(tf.sub(tf.log(tf.squeeze(sum, [1])), labelLogits), wrong(labels, classes))
  return tf.where(countedRows(labels), losses, tf.zerosLike(losses))
}

const countedRows = (labels: Tensor): Tensor => tf.notEqual(labels, tf.scalar(IGNORED, "int32"))

/** dz·N; 0 in rows that do not count. */
const slopesOf = ({ labels, logits, shifted, sum }: Chunk, { softcap }: Attributes): Tensor2D => {
  const classes = logits.shape[1]!
  const dc = tf.add(
    tf.sub(tf.div(tf.exp(shifted), sum), oneHot(labels, classes)),
    tf.expandDims(wrong(labels, classes), 1)
  )
  const dz = softcap === null ? dc : tf.mul(dc, tf.sub(1, tf.square(tf.div(logits, softcap))))
  return ofCounted(dz, labels)
}

/** x [rows, n], with 0 in rows that do not count, whatever they hold */
const ofCounted = (x: Tensor, labels: Tensor): Tensor2D => {
  const rows = tf.broadcastTo(tf.expandDims(countedRows(labels), 1), x.shape)
  return tf.where(rows, x, tf.zerosLike(x)) as Tensor2D
}

interface ForwardAttributes extends Attributes {
  /** whether dh is made too */
  readonly slopes: boolean
  /** the loss of each token, not their mean */
  readonly each: boolean
}

/** The loss, and dh for a dy of 1. */
const reference = (inputs: Whole, attributes: ForwardAttributes): ReadonlyArray<Tensor> => {
  const { hidden, weight, labels } = inputs
  const { each } = attributes
  if (hidden.size === 0 || weight.size === 0) return [tf.zeros(each ? labels.shape : []), tf.zerosLike(hidden)]
  const share = each ? tf.scalar(1) : counted(labels, IGNORED)[1]
  const chunks = overChunks(inputs, (first, rows) =>
    tf.tidy(() => {
      const chunk = chunkOf(inputs, attributes, first, rows)
      const losses = lossesOf(chunk)
      const loss = each ? losses : tf.sum(losses)
      if (!attributes.slopes) return [loss]
      // W may hold what is not finite
      return [loss, ofCounted(tf.matMul(slopesOf(chunk, attributes), weight), chunk.labels)]
    })
  )
  const chunkLosses = chunks.map(([loss]) => loss!)
  const loss = each ? tf.concat(chunkLosses) : tf.mul(tf.addN(chunkLosses), share)
  return [loss, attributes.slopes ? tf.mul(tf.concat(chunks.map(([, dh]) => dh!)), share) : tf.zeros([1])]
}

/** `rows`: what dz is multiplied with, hidden unless given. */
const weightGradient = defineKernel<Input | "dy" | "rows", Attributes>({
  name: "LinearCrossEntropyWeightGradient",
  reference: ({ dy, rows, ...rest }, attributes) => {
    const inputs = wholeOf("f32", rest)
    if (inputs.hidden.size === 0 || inputs.weight.size === 0) return [tf.zerosLike(inputs.weight)]
    const [, share] = counted(inputs.labels, IGNORED)
    const others = (rows ?? inputs.hidden) as Tensor2D
    const parts = overChunks(inputs, (first, count) =>
      tf.tidy(() => {
        const chunk = chunkOf(inputs, attributes, first, count)
        const gradients = ofCounted(tf.slice(others, [first, 0], [count, -1]), chunk.labels)
        return tf.matMul(slopesOf(chunk, attributes), gradients, true, false)
      })
    )
    return [tf.mul(tf.addN([...parts]), tf.mul(share, dy))]
  },
  wasm: ({ dy, rows, ...inputs }, { softcap }, engine) => [
    headWeightGradientOnWasm(engine, headOf(engine, "f32", inputs), { dy, rows: rows ?? inputs.hidden }, softcap)
  ],
  webgpu: (
    {
      dy,
      rows,
      statistics,
      ...inputs
    }: Inputs & {
      readonly dy: TensorInfo
      readonly rows?: TensorInfo
      readonly statistics?: TensorInfo
    },
    { softcap },
    engine
  ) => [
    programs().headWeightGradientOnWebgpu(
      engine,
      { ...webgpuHeadOf("f32", inputs), b: inputs.W },
      { dy, rows, statistics: statistics! },
      softcap
    )
  ]
})

const forward = forEachForm((form, name) =>
  defineKernel<Input, ForwardAttributes>({
    name: name("LinearCrossEntropy"),
    reference: (inputs, attributes) => reference(wholeOf(form, inputs), attributes),
    wasm: (inputs, { softcap, ...wanted }, engine) =>
      headLossOnWasm(engine, headOf(engine, form, inputs), softcap, wanted),
    webgpu: (inputs, { softcap, ...wanted }, engine) =>
      programs().headLossOnWebgpu(engine, webgpuHeadOf(form, inputs), softcap, wanted),
    // a packed W is never trained
    inputsToSave: form === "f32" ? ["hidden", "W", "labels"] : [],
    outputsToSave: [false, true, true],
    gradient: ([dy], saved, { softcap, each }) => {
      const ofHidden = (dh: Tensor) => ({ hidden: () => tf.mul(dh, each ? tf.expandDims(dy!, 1) : dy!) })
      if (form !== "f32") return ofHidden(saved[0]!)
      const [hidden, W, labels, dh, statistics] = saved
      const inputs = { hidden: hidden!, labels: labels!, ...weightInputs(W as Tensor2D) }
      const known = statistics === undefined ? inputs : { ...inputs, statistics }
      const ofWeight = () =>
        weightGradient({ ...known, ...(each ? weighed(hidden!, labels!, dy!) : only(dy!)) }, { softcap })
      return { ...ofHidden(dh!), W: () => ofWeight()[0]! }
    }
  })
)

// kernels take `rows` for possibly absent
const only = (dy: Tensor) => ({ dy }) as { readonly dy: Tensor; readonly rows: Tensor }

/** Each token by its own dy: of N tokens that count, N/N is the share of each. */
const weighed = (hidden: Tensor, labels: Tensor, dy: Tensor) => ({
  rows: tf.mul(hidden, tf.expandDims(dy, 1)),
  dy: tf.maximum(tf.sum(tf.cast(countedRows(labels), "float32")), 1)
})

const referenceScores = (inputs: Whole, attributes: Attributes): ReadonlyArray<Tensor> => {
  const { hidden, weight, labels } = inputs
  if (hidden.size === 0 || weight.size === 0) return [tf.zeros(labels.shape), tf.zeros(labels.shape)]
  const chunks = overChunks(inputs, (first, rows) =>
    tf.tidy(() => {
      const chunk = chunkOf(inputs, attributes, first, rows)
      const correct = tf.equal(tf.argMax(chunk.logits, 1), chunk.labels)
      return [lossesOf(chunk), tf.cast(correct, "float32")]
    })
  )
  return [tf.concat(chunks.map(([losses]) => losses!)), tf.concat(chunks.map(([, correct]) => correct!))]
}

/** Losses, and 1 where the largest logit is the label's; both float32, as the wasm engine makes them. */
const scores = forEachForm((form, name) =>
  defineKernel<Input, Attributes>({
    name: name("TokenScores"),
    reference: (inputs, attributes) => referenceScores(wholeOf(form, inputs), attributes),
    wasm: (inputs, { softcap }, engine) => tokenScoresOnWasm(engine, headOf(engine, form, inputs), softcap),
    webgpu: (inputs, { softcap }, engine) => programs().tokenScoresOnWebgpu(engine, webgpuHeadOf(form, inputs), softcap)
  })
)

interface Softcap {
  readonly softcap: number | null
}

const losses = (
  hidden: Tensor2D,
  weight: FrozenMatrix,
  labels: Tensor1D,
  { softcap }: Softcap,
  each: boolean
): Tensor => {
  const [loss, ...saved] = forward[formOf(weight)](
    { hidden, ...weightInputs(weight), labels },
    { softcap, slopes: isRecording(), each }
  )
  tf.dispose(saved) // the tape holds its own handles
  return loss!
}

/**
 * Computes the mean cross-entropy of the logits hidden·weightᵀ, without storing the logits: hidden [tokens, h], weight [vocabulary, h], packed or
 * not, labels int32 [tokens] → a scalar, over the rows that count. Gradients for hidden and, if it is not packed and its gradient is needed,
 * weight.
 */
export const linearCrossEntropy = (
  hidden: Tensor2D,
  weight: FrozenMatrix,
  labels: Tensor1D,
  softcap: Softcap
): Scalar => losses(hidden, weight, labels, softcap, false) as Scalar

/** Computes each token's own loss instead of the mean, float32 [tokens]: 0 for rows that do not count. */
export const tokenCrossEntropies = (
  hidden: Tensor2D,
  weight: FrozenMatrix,
  labels: Tensor1D,
  softcap: Softcap
): Tensor1D => losses(hidden, weight, labels, softcap, true) as Tensor1D

/**
 * Computes losses float32 [tokens], 0 for rows that do not count, and correct int32 [tokens], 1 if the largest logit is the label's. For
 * evaluation, without gradients.
 */
export const tokenScores = (
  hidden: Tensor2D,
  weight: FrozenMatrix,
  labels: Tensor1D,
  { softcap }: { readonly softcap: number | null }
): { readonly losses: Tensor1D; readonly correct: Tensor1D } => {
  const [losses, right] = scores[formOf(weight)]({ hidden, ...weightInputs(weight), labels }, { softcap })
  const correct = inPlaceOf(right!, (x) => tf.cast(x, "int32"))
  return { losses: losses as Tensor1D, correct: correct as Tensor1D }
}
