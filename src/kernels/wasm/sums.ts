/** Sums with float64 accumulators on the wasm engine: the host side of `../c/reduce.c`. */
import { type TensorInfo, util } from "@tensorflow/tfjs-core"
import { declareKernel, optional, read, write } from "../declaration.ts"
import type { Kernel } from "./backend.ts"
import { chunksOf } from "./cuts.ts"
import { type WasmEngine, wasmEngineOf } from "./engine.ts"

/** A sum of x, seen as [outer, reduced, inner]; the result is [outer, inner], which is not empty. */
export interface SumOf {
  readonly x: TensorInfo
  readonly out: TensorInfo
  readonly outer: number
  readonly reduced: number
  readonly inner: number
  /** divisor of every sum */
  readonly divisor: number
}

/** Elements of a long row that are one chunk. */
const BLOCK = 1 << 15

const columnsKernel = declareKernel({
  name: "sumColumns",
  buffers: { x: read("f32"), y: optional(read("f32")), out: write("f32") },
  /** perChunk: columns */
  words: { reduced: "u32", inner: "u32", divisor: "u32", perChunk: "u32" }
})

const ROWS = { outer: "u32", reduced: "u32", divisor: "u32", block: "u32" } as const

/** block: 0 where rows are whole; perChunk: rows; parts: float64 sums of the blocks */
const rowsKernel = declareKernel({
  name: "sumRows",
  buffers: { x: read("f32"), out: optional(write("f32")), parts: optional(write("f64")) },
  words: { ...ROWS, perChunk: "u32" }
})

const combineKernel = declareKernel({
  name: "combineSums",
  sameBits: true,
  buffers: { parts: read("f64"), out: write("f32") },
  words: ROWS
})

/** Computes out[o, i] = Σ_r x[o, r, i]·y[o, r, i] / divisor; without y, Σ_r x[o, r, i] / divisor. */
export const sumColumns = (
  engine: WasmEngine,
  { x, y, out, outer, reduced, inner, divisor }: SumOf & { readonly y?: TensorInfo }
): void => {
  const perOuter = Math.max(1, Math.ceil(16 / outer))
  // sixteen floats are a line of the cache
  const shared = outer * reduced * inner >= 2 * BLOCK
  const perChunk = shared ? Math.ceil(inner / perOuter / 16) * 16 : inner
  const chunks = outer * Math.ceil(inner / perChunk)
  engine.run(columnsKernel, { x, y, out }, { reduced, inner, divisor, perChunk }, { chunks })
}

/** Computes out[o] = Σ_r x[o, r] / divisor; inner is 1. A long row is divided into chunks, whose sums are added in order. */
export const sumRows = (engine: WasmEngine, { x, out, outer, reduced, divisor }: Omit<SumOf, "inner">): void => {
  const words = { outer, reduced, divisor }
  if (reduced < 2 * BLOCK) {
    const [perChunk, chunks] = chunksOf(outer, reduced)
    engine.run(rowsKernel, { x, out }, { ...words, block: 0, perChunk }, { chunks })
    return
  }
  const chunks = outer * Math.ceil(reduced / BLOCK)
  const parts = engine.output([2 * chunks]) // float64
  engine.run(rowsKernel, { x, parts }, { ...words, block: BLOCK, perChunk: 1 }, { chunks })
  engine.run(combineKernel, { parts, out }, { ...words, block: BLOCK })
  engine.dispose(parts)
}

// Sum and Mean on the wasm backend with float64 accumulators. tfjs adds up in float32 one by one, which loses digits with the
// length (3·10⁶ × 0.1 gives 290 775), and first transposes the tensor unless the reduced axes are the last ones.
//
//   x seen as [outer, reduced, inner]:   out[o, i] = Σ_r x[o, r, i]   (Mean: divided by the number of terms)
//
// Where nothing is reduced over, sums and means are 0, as on tfjs' cpu backend; its wasm backend leaves there what lay in memory. Reduced
// axes that are not adjacent and other types than float32 go to tfjs' own kernel.

interface Reduction {
  readonly shape: ReadonlyArray<number>
  readonly outer: number
  readonly reduced: number
  readonly inner: number
}

/** The three-axis view of a reduction, or undefined where the reduced axes are not adjacent. */
const reductionOf = (
  shape: Array<number>,
  axis: number | ReadonlyArray<number>,
  keepDims: boolean
): Reduction | undefined => {
  const axes = [...util.parseAxisParam(axis as number | Array<number>, shape)].sort((a, b) => a - b)
  const [first, last] = [axes[0]!, axes.at(-1)!]
  const out = shape.flatMap((n, i) => (axes.includes(i) ? (keepDims ? [1] : []) : [n]))
  // no terms: which axes they are missing from does not matter
  if (shape.includes(0)) return { shape: out, outer: util.sizeFromShape(out), reduced: 0, inner: 1 }
  if (last - first !== axes.length - 1) return undefined
  const [outer, reduced, inner] = [shape.slice(0, first), shape.slice(first, last + 1), shape.slice(last + 1)].map(
    util.sizeFromShape
  ) as [number, number, number]
  return { shape: out, outer, reduced, inner }
}

const reduceKernel =
  (mean: boolean) =>
  (stock: Kernel): Kernel =>
  (call) => {
    const engine = wasmEngineOf(call.backend)
    const x = call.inputs["x"]!
    const view = reductionOf(x.shape, call.attrs["axis"] as number, call.attrs["keepDims"] === true)
    if (engine === undefined || view === undefined || x.dtype !== "float32" || x.shape.length === 0) return stock(call)
    const { shape, outer, reduced, inner } = view
    const out = engine.output(shape)
    const sum = { x, out, outer, reduced, inner, divisor: mean ? Math.max(1, reduced) : 1 }
    if (outer * inner === 0) return out
    if (inner === 1) sumRows(engine, sum)
    else sumColumns(engine, sum)
    return out
  }

/** Replacement of Sum. */
export const sumKernel = reduceKernel(false)
/** Replacement of Mean. */
export const meanKernel = reduceKernel(true)
