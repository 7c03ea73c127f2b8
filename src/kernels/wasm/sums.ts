/** Sums with float64 accumulators on the wasm engine: the host side of `assembly/reduce.ts`. */
import type { TensorInfo } from "@tensorflow/tfjs"
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

/** out[o, i] = Σ_r x[o, r, i]·y[o, r, i] / divisor, without y Σ_r x[o, r, i] / divisor */
export const sumColumns = (engine: WasmEngine, sum: SumOf & { readonly y?: TensorInfo }): void => {
  const { outer, reduced, inner } = sum
  const perOuter = Math.max(1, Math.ceil(16 / outer))
  // sixteen floats are a line of the cache
  const shared = outer * reduced * inner >= 2 * BLOCK
  const columns = shared ? Math.ceil(inner / perOuter / 16) * 16 : inner
  const chunks = outer * Math.ceil(inner / columns)
  engine.runWords("sumColumns", wordsOf(engine, sum, sum.y, columns), chunks)
}

/** out[o] = Σ_r x[o, r] / divisor; inner is 1. A long row is several chunks, whose sums are added in their order. */
export const sumRows = (engine: WasmEngine, sum: SumOf): void => {
  const { outer, reduced } = sum
  if (reduced < 2 * BLOCK) {
    const [rows, chunks] = chunksOf(outer, reduced)
    engine.runWords("sumRows", wordsOf(engine, sum, undefined, rows), chunks)
    return
  }
  const chunks = outer * Math.ceil(reduced / BLOCK)
  const parts = engine.output([2 * chunks]) // float64
  const words = wordsOf(engine, sum, undefined, 1, { block: BLOCK, parts: engine.address(parts) })
  engine.runWords("sumRows", words, chunks)
  engine.runWords("combineSums", words, 1)
  engine.dispose(parts)
}

const wordsOf = (
  engine: WasmEngine,
  { x, out, outer, reduced, inner, divisor }: SumOf,
  y: TensorInfo | undefined,
  perChunk: number,
  { block, parts } = { block: 0, parts: 0 }
): ReadonlyArray<number> => {
  const [from, second, to] = [x, y, out].map((tensor) => (tensor === undefined ? 0 : engine.address(tensor)))
  return [from!, second!, to!, outer, reduced, inner, divisor, perChunk, block, parts]
}
