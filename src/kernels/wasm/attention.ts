/** Attention on the wasm engine: the host side of `c/attention.c` and `attention-gradient.c`, and how the work is cut, by the shape alone. */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import { type AttentionShape, EVERY, savedWeights, sizesOf } from "../attention-shape.ts"
import { declareKernel, optional, read, reads, write, writes } from "../declaration.ts"
import type { WasmEngine } from "./engine.ts"
import { sumColumns } from "./sums.ts"

type Inputs = Readonly<Record<"q" | "k" | "v" | "querySegments" | "keySegments", TensorInfo>> & {
  readonly bias?: TensorInfo
}

/** Chunks that keep two to eight threads busy: forward, where parts are free, and backward, where each has its own dK and dV. */
const CHUNKS = { forward: 24, backward: 12 }
/** Queries for which a part of its own pays. */
const LEAST = 48
/** Multiplications below which a chunk of its own costs more than it saves. */
const WORTH_SHARING = 1 << 16

/** Queries of a block forward and backward, and keys backward: at most, in C. */
const BLOCK = { forward: 12, backward: 48, columns: 96 }
/** Floats that n columns take in panels, which are of 32 columns or fewer. */
const inPanels = (n: number): number => Math.ceil(n / 32) * 32
/** Floats after the keys' segments: a vector's, and those to the next address that vectors like. */
const AFTER = 32
/** As in C. */
const FEW = 4

/**
 * Does a backward pass read P? Where a query attends few of the keys, most of it would be zeros; of a capped score it lacks the slope; and few
 * queries of more keys go another way in C, where it is not written.
 */
const keepsWeights = (inputs: Inputs, shape: AttentionShape): boolean => {
  const { queries, keys } = sizesOf(inputs, shape)
  const all = shape.back === EVERY && shape.ahead === EVERY
  return all && shape.softCap === null && queries >= Math.min(FEW, keys) && savedWeights(queries, keys) > 0
}

interface Cut {
  readonly parts: number
  /** queries of a part */
  readonly perPart: number
  /** parts of heads that are a chunk */
  readonly perChunk: number
  readonly chunks: number
}

const cut = (inputs: Inputs, shape: AttentionShape, chunks: number): Cut => {
  const { queries, keys, d } = sizesOf(inputs, shape)
  const { batch, heads, keyHeads } = shape
  const matrices = batch * keyHeads
  const wanted = Math.max(1, Math.min(Math.ceil(chunks / matrices), Math.floor(queries / LEAST)))
  const perPart = Math.ceil(queries / wanted)
  const parts = Math.ceil(queries / perPart)
  const units = parts * matrices
  const work = (heads / keyHeads) * perPart * keys * d
  const perChunk = Math.min(units, Math.ceil(WORTH_SHARING / (2 * work)))
  return { parts, perPart, perChunk, chunks: Math.ceil(units / perChunk) }
}

const SHARED = {
  structure: "Attention",
  words: {
    queries: "u32",
    keys: "u32",
    heads: "u32",
    keyHeads: "u32",
    d: "u32",
    scale: "f32",
    back: "u32",
    ahead: "u32",
    /** 0: none */
    cap: "f32",
    /** batch × keyHeads */
    matrices: "u32",
    parts: "u32",
    /** queries */
    perPart: "u32",
    /** parts of matrices */
    perChunk: "u32"
  },
  buffers: {
    ...reads("f32", "q", "k", "v"),
    ...reads("i32", "querySegments", "keySegments"),
    bias: optional(read("f32")),
    o: write("f32"),
    /** of a row of P: its largest score, and 1/Σ exp(score − largest), or 0 for a sum without terms */
    statistics: optional(write("f32")),
    /** P, in the place of its statistics */
    weights: optional(write("f32"))
  }
} as const

const forward = declareKernel({ ...SHARED, name: "attention" })
/** dk and dv: [parts, batch·keys, keyHeads·d] */
const backward = declareKernel({
  ...SHARED,
  name: "attentionGradient",
  buffers: { ...SHARED.buffers, dO: read("f32"), ...writes("f32", "dq", "dk", "dv") }
})

const wordsOf = (inputs: Inputs, shape: AttentionShape, { parts, perPart, perChunk }: Cut) => {
  const { batch, heads, keyHeads, scale, softCap, back, ahead } = shape
  const cuts = { matrices: batch * keyHeads, parts, perPart, perChunk }
  return { ...sizesOf(inputs, shape), heads, keyHeads, scale, back, ahead, cap: softCap ?? 0, ...cuts }
}

const run = (
  engine: WasmEngine,
  inputs: Inputs,
  shape: AttentionShape,
  more: { readonly statistics?: TensorInfo; readonly weights?: TensorInfo }
): TensorInfo => {
  const { keys, d } = sizesOf(inputs, shape)
  const o = engine.output(inputs.q.shape)
  const chunks = cut(inputs, shape, CHUNKS.forward)
  const wide = inPanels(keys)
  const floats = keys + AFTER + wide * d + keys * inPanels(d) + BLOCK.forward * wide
  engine.run(forward, { ...inputs, o, ...more }, wordsOf(inputs, shape, chunks), {
    chunks: chunks.chunks,
    scratch: 4 * floats
  })
  return o
}

/** Computes O and the values that a backward pass reads: P, or two values of each of its rows. */
export const attentionOnWasm = (
  engine: WasmEngine,
  inputs: Inputs,
  shape: AttentionShape
): ReadonlyArray<TensorInfo> => {
  const { queries, keys } = sizesOf(inputs, shape)
  const rows = [shape.batch * shape.heads, queries]
  const keeps = keepsWeights(inputs, shape)
  const statistics = engine.output([...rows, keeps ? keys : 2])
  return [run(engine, inputs, shape, keeps ? { weights: statistics } : { statistics }), statistics]
}

/** Computes O only. */
export const attentionAloneOnWasm = (
  engine: WasmEngine,
  inputs: Inputs,
  shape: AttentionShape
): ReadonlyArray<TensorInfo> => [run(engine, inputs, shape, {})]

/** Computes dq, dk and dv. */
export const attentionGradientOnWasm = (
  engine: WasmEngine,
  { dO, O: o, kept, ...inputs }: Inputs & Readonly<Record<"dO" | "O" | "kept", TensorInfo>>,
  shape: AttentionShape
): ReadonlyArray<TensorInfo> => {
  const { keys, d } = sizesOf(inputs, shape)
  const chunks = cut(inputs, shape, CHUNKS.backward)
  const keeps = keepsWeights(inputs, shape)
  const [rows, columns] = keeps ? [chunks.perPart, keys] : [BLOCK.backward, BLOCK.columns]
  const [wide, across] = [inPanels(columns), inPanels(d)]
  const blocks = rows * (wide + across) + columns * across + wide * d
  const again = keeps ? 0 : rows * wide + wide * d + chunks.perPart * (shape.heads / shape.keyHeads)
  const dq = engine.output(inputs.q.shape)
  const partial = () => engine.output([chunks.parts, inputs.k.shape[0]! * inputs.k.shape[1]!])
  const [dk, dv] = [partial(), partial()]
  const saved = keeps ? { weights: kept } : { statistics: kept }
  engine.run(backward, { ...inputs, o, ...saved, dO, dq, dk, dv }, wordsOf(inputs, shape, chunks), {
    chunks: chunks.chunks,
    scratch: 4 * (keys + AFTER + blocks + again)
  })
  return [dq, ...[dk, dv].map((parts) => sumOfParts(engine, parts, chunks.parts, inputs.k.shape))]
}

/** [parts, size] → the sum of the parts, in a tensor of `shape` */
const sumOfParts = (engine: WasmEngine, parts: TensorInfo, count: number, shape: ReadonlyArray<number>): TensorInfo => {
  if (count === 1) return { ...parts, shape: [...shape] }
  const out = engine.output(shape)
  sumColumns(engine, { x: parts, out, outer: 1, reduced: count, inner: parts.shape[1]!, divisor: 1 })
  engine.dispose(parts)
  return out
}
