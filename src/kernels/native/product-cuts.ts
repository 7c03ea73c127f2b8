/** How products are cut into chunks for the native library (`c/product.c`). */
import { CHUNKS, columnsOfOneRow, isOneRow, type ProductCuts, sizeOf, upTo } from "../wasm/product-cuts.ts"

/** Of `c/product.c`: the widest panel and the highest tile of an instruction set, and the terms of a block. */
const PANEL = 32
const TILE = 12
const DEPTH = 384
/** Machine code is four times as fast. */
const WORTH_SHARING = 1 << 18
/** Rows for which B is packed once, and panels that stay in the second cache. */
const ROWS = 512
const PANELS = 8
/** Panels of a chunk where threads share a product: while one is multiplied the next one is read, and no thread waits long for another. */
const SHARED_PANELS = 4
/** Columns that no panel is packed for (`thin.h`), so that its rows are cut into many chunks. */
const THIN = 8

/**
 * A chunk packs its columns of B: it takes as many rows as leave enough chunks, and each thread a few chunks of columns side by side. Every
 * element is one sum, which no cut changes.
 */
export const NATIVE_CUTS: ProductCuts = {
  chunk: (product, matrices, threads) => {
    const { m, n } = product
    const shared = matrices < CHUNKS && sizeOf(product, matrices) >= WORTH_SHARING
    if (isOneRow(product, matrices)) return [1, shared ? columnsOfOneRow(product, threads) : n]
    const panels = Math.ceil(n / PANEL)
    if (!shared) return [m, PANEL * Math.min(PANELS, panels)]
    const [rowChunks, tile] = n <= THIN ? [CHUNKS, PANEL] : [Math.ceil(m / ROWS), TILE]
    const rows = upTo(m, rowChunks, tile)
    const share = Math.ceil(panels / Math.ceil(threads / (matrices * Math.ceil(m / rows))))
    // chunks of equal size: with a large one and a small one, one of two threads waits for the other
    return [rows, PANEL * Math.ceil(share / Math.ceil(share / SHARED_PANELS))]
  },
  // a panel, or sums of one row's blocks of 32
  scratch: (product, columns) =>
    isOneRow(product, 1)
      ? 4 * Math.ceil(product.k / 32)
      : 4 * upTo(columns, 1, PANEL) * (Math.min(product.k, DEPTH) + (product.second?.k ?? 0))
}
