/**
 * Causal attention on the wasm engine: the host side of `assembly/causal-attention.ts` and `causal-attention-gradient.ts`, and how the
 * work is cut, by the shape alone.
 */
import type { TensorInfo } from "@tensorflow/tfjs"
import type { CausalShape } from "../causal-shape.ts"
import { floatBits, type WasmEngine } from "./engine.ts"
import { sumColumns } from "./sums.ts"

type Inputs = Readonly<Record<"q" | "k" | "v" | "querySegments" | "keySegments", TensorInfo>>

/** Chunks that keep two to eight threads busy: forward, where parts are free, and backward, where each has its own dK and dV. */
const CHUNKS = { forward: 24, backward: 12 }
/** Queries for which a part of its own pays. */
const LEAST = 48
/** Further than any key. */
const NO_WINDOW = 1 << 29

/** As in the assembly. */
const BLOCK = { rows: 24, columns: 96 }
/** Floats that a head's row takes in panels, at most. */
const inPanels = (d: number): number => d + 8

const sizesOf = ({ q, k }: Inputs, { batch, heads }: CausalShape) => ({
  queries: q.shape[0]! / batch,
  keys: k.shape[0]! / batch,
  d: q.shape[1]! / heads
})

interface Cut {
  readonly parts: number
  /** queries of a part */
  readonly perPart: number
  readonly chunks: number
}

const cut = (queries: number, { batch, keyValueHeads }: CausalShape, chunks: number): Cut => {
  const matrices = batch * keyValueHeads
  const parts = Math.max(1, Math.min(Math.ceil(chunks / matrices), Math.floor(queries / LEAST)))
  const perPart = Math.ceil(queries / parts)
  const filled = Math.ceil(queries / perPart)
  return { parts: filled, perPart, chunks: filled * matrices }
}

const wordsOf = (
  engine: WasmEngine,
  inputs: Inputs,
  O: TensorInfo,
  statistics: TensorInfo,
  shape: CausalShape,
  { parts, perPart }: Cut
): ReadonlyArray<number> => {
  const { q, k, v, querySegments, keySegments } = inputs
  const { batch, heads, keyValueHeads, scale, window, softcap } = shape
  const { queries, keys, d } = sizesOf(inputs, shape)
  return [
    ...[q, k, v, querySegments, keySegments, O, statistics].map(engine.address),
    ...[queries, keys, heads, keyValueHeads, d, floatBits(scale), Math.min(window ?? NO_WINDOW, NO_WINDOW)],
    ...[floatBits(softcap ?? 0), batch * keyValueHeads, parts, perPart]
  ]
}

/** O, and two numbers a row of P. */
export const causalAttentionOnWasm = (
  engine: WasmEngine,
  inputs: Inputs,
  shape: CausalShape
): ReadonlyArray<TensorInfo> => {
  const { queries, keys, d } = sizesOf(inputs, shape)
  const [O, statistics] = [engine.output(inputs.q.shape), engine.output([shape.batch * shape.heads, queries, 2])]
  const own = cut(queries, shape, CHUNKS.forward)
  const panels = (keys + 12) * d + keys * inPanels(d)
  const block = BLOCK.rows * (keys + 12 + inPanels(d))
  const words = wordsOf(engine, inputs, O, statistics, shape, own)
  engine.runWords("causalAttention", words, own.chunks, 4 * (keys + 16 + panels + block))
  return [O, statistics]
}

/** dq, dk and dv. */
export const causalAttentionGradientOnWasm = (
  engine: WasmEngine,
  { dO, O, statistics, ...inputs }: Inputs & Readonly<Record<"dO" | "O" | "statistics", TensorInfo>>,
  shape: CausalShape
): ReadonlyArray<TensorInfo> => {
  const { queries, keys, d } = sizesOf(inputs, shape)
  const own = cut(queries, shape, CHUNKS.backward)
  const { rows, columns } = BLOCK
  const ofPart = own.perPart * (shape.heads / shape.keyValueHeads) * (1 + inPanels(d))
  const blocks = 2 * columns * d + (3 * columns + rows) * inPanels(d) + 2 * rows * columns
  const dq = engine.output(inputs.q.shape)
  const [tokens, width] = inputs.k.shape as [number, number]
  const size = tokens * width
  const partial = () => engine.output([own.parts, size])
  const [dk, dv] = [partial(), partial()]
  const words = [...wordsOf(engine, inputs, O, statistics, shape, own), ...[dO, dq, dk, dv].map(engine.address), size]
  engine.runWords("causalAttentionGradient", words, own.chunks, 4 * (keys + 16 + ofPart + blocks))
  return [dq, ...[dk, dv].map((parts) => sumOfParts(engine, parts, own.parts, inputs.k.shape))]
}

/** [parts, size] → the sum of the parts, in a tensor of `shape` */
const sumOfParts = (engine: WasmEngine, parts: TensorInfo, count: number, shape: ReadonlyArray<number>): TensorInfo => {
  if (count === 1) return { ...parts, shape: [...shape] }
  const out = engine.output(shape)
  sumColumns(engine, { x: parts, out, outer: 1, reduced: count, inner: parts.shape[1]!, divisor: 1 })
  engine.dispose(parts)
  return out
}
