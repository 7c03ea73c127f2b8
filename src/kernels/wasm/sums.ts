/** Sums with float64 accumulators on the wasm engine: the host side of `assembly/reduce.ts`. */
import type { TensorInfo } from "@tensorflow/tfjs"
import { declareKernel, optional, read, write } from "../declaration.ts"
import { chunksOf } from "./chunks.ts"
import type { WasmEngine } from "./engine.ts"

/** x is seen as [outer, reduced, inner] and `out` as [outer, inner], which is not empty. */
export interface SumOf {
  readonly x: TensorInfo
  readonly out: TensorInfo
  readonly outer: number
  readonly reduced: number
  readonly inner: number
  /** of every sum */
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
  buffers: { parts: read("f64"), out: write("f32") },
  words: ROWS
})

/** out[o, i] = Σ_r x[o, r, i]·y[o, r, i] / divisor, without y Σ_r x[o, r, i] / divisor */
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

/** out[o] = Σ_r x[o, r] / divisor; inner is 1. A long row is several chunks, whose sums are added in their order. */
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
