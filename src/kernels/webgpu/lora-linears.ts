/**
 * Adapted linear layers of one input on the GPU (`lora-layers.ts`): two dispatches forward and two backward, however many layers there
 * are. The weights of the layers lie one after the other, as do their factors, h, y and dy, so that layers are the matrices of a batch, and
 * dx is a sum over one. A product that fills the GPU takes a thin one along (`beside.ts`).
 */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import type { Span, WebgpuEngine } from "./engine.ts"
import { multiply, multiplyBoth, multiplyInto } from "./product.ts"

/** Tensors of one shape, one for each layer. */
type OfLayers = ReadonlyArray<TensorInfo>

/** Inputs of LoRA layers on WebGPU. */
export interface LoraLayersOnWebgpu {
  readonly x: TensorInfo
  readonly W: OfLayers
  readonly bias: OfLayers | undefined
  readonly A: OfLayers
  readonly B: OfLayers
  readonly scale: number
  /** elementwise kernel applied to y of a single layer; undefined: none */
  readonly activation?: string | undefined
}

/** Matrices of a batch: where the first begins, and how many numbers from one to the next. */
interface Matrices {
  readonly at: TensorInfo | Span
  readonly stride: number
}

/** A part of a span, from an element on that an arena may have a tensor at. */
const from = (span: Span, start: number): Span =>
  start === 0 ? span : { buffer: span.buffer, offset: span.offset + 4 * start, size: span.size - 4 * start }

const frozen = (engine: WebgpuEngine, tensors: OfLayers): Matrices => {
  if (tensors.length === 1) return { at: tensors[0]!, stride: 0 }
  const { span, starts } = engine.settled(tensors)
  return { at: span, stride: starts[1]! }
}

/** Of tensors that come and go; `release` when the last program that reads them is recorded. */
const moving = (engine: WebgpuEngine, tensors: OfLayers): Matrices & { readonly release: () => void } => {
  if (tensors.length === 1) return { at: tensors[0]!, stride: 0, release: () => {} }
  const { span, starts } = engine.together(tensors)
  return { at: span, stride: starts[1]!, release: () => engine.release(span) }
}

interface Factors {
  readonly A: Matrices
  readonly B: Matrices
}

/** A₀, B₀, A₁, B₁, … in an arena */
const inPairs = (span: Span, starts: ReadonlyArray<number>): Factors => {
  const stride = starts[2] ?? 0
  return { A: { at: span, stride }, B: { at: from(span, starts[1]!), stride } }
}

/** A and B of every layer: after a step they are in pairs, where the optimizer has written them. */
const factors = (engine: WebgpuEngine, { A, B }: Pick<LoraLayersOnWebgpu, "A" | "B">) => {
  if (A.length === 1) return { A: { at: A[0]!, stride: 0 }, B: { at: B[0]!, stride: 0 }, release: () => {} }
  const { span, starts } = engine.together(A.flatMap((factor, i) => [factor, B[i]!]))
  return { ...inPairs(span, starts), release: () => engine.release(span) }
}

const made = (engine: WebgpuEngine, shape: ReadonlyArray<number>, count: number) => {
  const { span, starts, tensors } = engine.outputs(Array<ReadonlyArray<number>>(count).fill(shape))
  return { at: span, stride: starts[1] ?? 0, tensors }
}

/** Computes y of every layer, h [layers · tokens, r], and the activation's derivative if there is an activation. */
export const loraLinearsOnWebgpu = (
  engine: WebgpuEngine,
  { x, W, bias, A, B, scale, activation }: LoraLayersOnWebgpu
): readonly [outputs: OfLayers, saved: OfLayers] => {
  const batch = W.length
  const [m, k] = x.shape as [number, number]
  const [n, r] = B[0]!.shape as [number, number]
  const arena = factors(engine, { A, B })
  const inner = { aBatch: 0, bBatch: arena.A.stride }
  const h = multiply(engine, { kind: "nt", m, n: r, k, a: x, b: arena.A.at, batch, strides: inner }, [batch * m, r])
  const weights = frozen(engine, W)
  const biases = bias === undefined ? undefined : frozen(engine, bias)
  const y = made(engine, [m, n], batch)
  const derivative = activation === undefined ? [] : [engine.output([m, n])]
  multiplyInto(
    engine,
    {
      ...{ kind: "nt", m, n, k, a: x, b: weights.at, batch, scale },
      second: { a: h, b: arena.B.at, k: r },
      ...(biases === undefined ? {} : { bias: biases.at }),
      ...(activation === undefined ? {} : { activation: { kernel: activation, derivative: derivative[0]! } }),
      strides: {
        ...{ aBatch: 0, bBatch: weights.stride, a2Batch: m * r, b2Batch: arena.B.stride },
        ...{ biasBatch: biases?.stride ?? 0, cBatch: y.stride }
      }
    },
    y.at
  )
  arena.release()
  return [y.tensors, [h, ...derivative]]
}

/** Inputs of the gradient of LoRA layers. */
export interface LoraLayersGradient extends Omit<LoraLayersOnWebgpu, "bias" | "activation"> {
  readonly h: TensorInfo
  readonly dy: OfLayers
  /** tensor added to dx */
  readonly plus: TensorInfo | undefined
  readonly wantsX: boolean
}

/** Computes dx, if needed, and then dA and dB of every layer in turn. */
export const loraLinearsGradientOnWebgpu = (
  engine: WebgpuEngine,
  { x, W, A, B, scale, h, dy, plus, wantsX }: LoraLayersGradient
): OfLayers => {
  const batch = W.length
  const [m, k] = x.shape as [number, number]
  const [n, r] = B[0]!.shape as [number, number]
  const arena = factors(engine, { A, B })
  const dys = moving(engine, dy)
  const dh = engine.scratch(batch * m * r)
  // in pairs too, as the optimizer wants them
  const d = engine.outputs(A.flatMap((factor, i) => [factor.shape, B[i]!.shape]))
  const { A: dA, B: dB } = inPairs(d.span, d.starts)
  const toInner = { aBatch: dys.stride, bBatch: arena.B.stride }
  const toB = { aBatch: dys.stride, bBatch: m * r, cBatch: dB.stride }
  multiplyBoth(engine, [
    [{ kind: "nn", m, n: r, k: n, a: dys.at, b: arena.B.at, batch, scale, strides: toInner }, dh],
    [{ kind: "tn", m: n, n: r, k: m, a: dys.at, b: h, batch, scale, strides: toB }, dB.at]
  ])
  const toA = { aBatch: m * r, bBatch: 0, cBatch: dA.stride }
  const ofA = [{ kind: "tn", m: r, n: k, k: m, a: dh, b: x, batch, strides: toA }, dA.at] as const
  const outputs: Array<TensorInfo> = []
  if (wantsX) {
    const weights = frozen(engine, W)
    const dx = engine.output(x.shape)
    const back = { aBatch: dys.stride, bBatch: weights.stride, a2Batch: m * r, b2Batch: arena.A.stride }
    const second = { a: dh, b: arena.A.at, k: r }
    const sum = { kind: "nn", m, n: k, k: n, a: dys.at, b: weights.at, batch, summed: true } as const
    multiplyBoth(engine, [[{ ...sum, second, strides: back, plus }, dx], ofA])
    outputs.push(dx)
  } else multiplyInto(engine, ...ofA)
  for (const release of [arena.release, dys.release, () => engine.release(dh)]) release()
  return [...outputs, ...d.tensors]
}
