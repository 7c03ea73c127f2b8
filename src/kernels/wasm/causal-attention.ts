/**
 * Causal attention on the wasm engine: the host side of `../c/causal-attention.c` and `causal-attention-gradient.c`, and how the
 * work is cut, by the shape alone.
 */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import type { CausalShape } from "../causal-shape.ts"
import { declareKernel, read, write } from "../declaration.ts"
import type { WasmEngine } from "./engine.ts"
import { sumColumns } from "./sums.ts"

type Inputs = Readonly<Record<"q" | "k" | "v" | "querySegments" | "keySegments", TensorInfo>>

/** Chunks that keep two to eight threads busy: forward, where parts are free, and backward, where each has its own dK and dV. */
const CHUNKS = { forward: 24, backward: 12 }
/** Queries for which a part of its own pays. */
const LEAST = 48
/** Further than any key. */
const NO_WINDOW = 1 << 29

/** Queries of a block forward and backward, and keys backward: at most. */
const BLOCK = { forward: 24, backward: 48, columns: 96 }
/** Floats that n columns take in the panels of either engine, of 32 columns or fewer. */
const inPanels = (n: number): number => Math.ceil(n / 32) * 32
/** Floats after the keys' segments: a vector's, and those to the next address that vectors like. */
const AFTER = 32

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

const SHARED = {
  structure: "CausalAttention",
  words: {
    queries: "u32",
    keys: "u32",
    heads: "u32",
    keyValueHeads: "u32",
    d: "u32",
    scale: "f32",
    /** `NO_WINDOW`: none */
    window: "u32",
    /** 0: none */
    cap: "f32",
    /** batch × keyValueHeads */
    matrices: "u32",
    parts: "u32",
    /** queries */
    perPart: "u32"
  },
  buffers: {
    ...{ q: read("f32"), k: read("f32"), v: read("f32"), querySegments: read("i32"), keySegments: read("i32") },
    /** of a row of P: its largest score, and 1/Σ exp(score − largest), or 0 for a sum without terms */
    ...{ o: write("f32"), statistics: write("f32") }
  }
} as const

const forward = declareKernel({ ...SHARED, name: "causalAttention" })
/** dk and dv: [parts, batch·keys, keyValueHeads·d] */
const backward = declareKernel({
  ...SHARED,
  name: "causalAttentionGradient",
  buffers: { ...SHARED.buffers, dO: read("f32"), dq: write("f32"), dk: write("f32"), dv: write("f32") }
})

const wordsOf = (inputs: Inputs, shape: CausalShape, { parts, perPart }: Cut) => {
  const { batch, heads, keyValueHeads, scale, window, softcap } = shape
  return {
    ...sizesOf(inputs, shape),
    ...{ heads, keyValueHeads, scale, window: Math.min(window ?? NO_WINDOW, NO_WINDOW), cap: softcap ?? 0 },
    ...{ matrices: batch * keyValueHeads, parts, perPart }
  }
}

/** O, and two numbers a row of P. */
export const causalAttentionOnWasm = (
  engine: WasmEngine,
  inputs: Inputs,
  shape: CausalShape
): ReadonlyArray<TensorInfo> => {
  const { queries, keys, d } = sizesOf(inputs, shape)
  const [o, statistics] = [engine.output(inputs.q.shape), engine.output([shape.batch * shape.heads, queries, 2])]
  const own = cut(queries, shape, CHUNKS.forward)
  const wide = inPanels(keys + 12)
  const panels = wide * d + keys * inPanels(d)
  const block = BLOCK.forward * (wide + inPanels(d))
  const work = { chunks: own.chunks, scratch: 4 * (keys + AFTER + panels + block) }
  engine.run(forward, { ...inputs, o, statistics }, wordsOf(inputs, shape, own), work)
  return [o, statistics]
}

/** dq, dk and dv. */
export const causalAttentionGradientOnWasm = (
  engine: WasmEngine,
  { dO, O: o, statistics, ...inputs }: Inputs & Readonly<Record<"dO" | "O" | "statistics", TensorInfo>>,
  shape: CausalShape
): ReadonlyArray<TensorInfo> => {
  const { queries, keys, d } = sizesOf(inputs, shape)
  const own = cut(queries, shape, CHUNKS.backward)
  const { backward: rows, columns } = BLOCK
  const ofPart = own.perPart * (shape.heads / shape.keyValueHeads) * (1 + inPanels(d))
  const blocks = 2 * columns * d + (3 * columns + rows) * inPanels(d) + 2 * rows * columns
  const dq = engine.output(inputs.q.shape)
  const partial = () => engine.output([own.parts, inputs.k.shape[0]! * inputs.k.shape[1]!])
  const [dk, dv] = [partial(), partial()]
  const work = { chunks: own.chunks, scratch: 4 * (keys + AFTER + ofPart + blocks) }
  engine.run(backward, { ...inputs, o, statistics, dO, dq, dk, dv }, wordsOf(inputs, shape, own), work)
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
