/** How products are cut into chunks for the native library (`c/product.c`). */
import { CHUNKS, columnsOfOneRow, isOneRow, type ProductCuts, sizeOf, upTo } from "../wasm/product-cuts.ts"

/** Of `c/product.c`: the widest panel and the highest tile of an instruction set, and the terms of a block. */
const PANEL = 32
const TILE = 12
const DEPTH = 384
/** Machine code is four times as fast. */
const WORTH_SHARING = 1 << 18
/** Rows for which B is packed once, and columns whose panels stay in the second cache. */
const ROWS = 512
const COLUMNS = 256
/** Columns that no panel is packed for (`thin.h`), so that its rows are cut into many chunks. */
const THIN = 8

/** A chunk packs its columns of B: it takes as many rows as leave enough chunks. */
export const NATIVE_CUTS: ProductCuts = {
  chunk: (product, matrices, threads) => {
    const { m, n } = product
    const shared = matrices < CHUNKS && sizeOf(product, matrices) >= WORTH_SHARING
    if (isOneRow(product, matrices)) return [1, shared ? columnsOfOneRow(product, threads) : n]
    const [rowChunks, tile] = n <= THIN ? [CHUNKS, PANEL] : [Math.ceil(m / ROWS), TILE]
    const rows = shared ? upTo(m, rowChunks, tile) : m
    const columnChunks = shared ? Math.ceil(CHUNKS / (matrices * Math.ceil(m / rows))) : 1
    // whole panels, rounded down: with 9 chunks for 16, one of two threads waits for the other
    const panels = Math.max(1, Math.floor(upTo(n, 1, PANEL) / PANEL / columnChunks))
    return [rows, Math.min(COLUMNS, PANEL * panels)]
  },
  // a panel, or sums of one row's blocks of 32
  scratch: (product, columns) =>
    isOneRow(product, 1)
      ? 4 * Math.ceil(product.k / 32)
      : 4 * upTo(columns, 1, PANEL) * (Math.min(product.k, DEPTH) + (product.second?.k ?? 0))
}
