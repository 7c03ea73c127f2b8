/**
 * Division of matrix products into chunks. Sums are divided by shape alone, so results do not depend on the threads. An engine
 * carries the cuts of the code that computes on it, so that a page has those of wasm alone, and has them when it opens a wasm device.
 */

/** Sizes of a `Product` that its division depends on. */
export interface ProductSizes {
  readonly kind: "nt" | "nn" | "tn"
  readonly m: number
  readonly n: number
  readonly k: number
  readonly second?: { readonly k: number }
  readonly packed?: object | undefined
  /** 0: float32 */
  readonly operands?: number | undefined
}

/** Division of matrix products into chunks. */
export interface ProductCuts {
  /** Returns the rows and columns of C in a chunk. */
  readonly chunk: (product: ProductSizes, matrices: number, threads: number) => readonly [rows: number, columns: number]
  /** Returns the bytes of scratch of a chunk. */
  readonly scratch: (product: ProductSizes, columns: number) => number
}

/** Chunks of a product: enough to keep two to eight threads evenly busy. */
export const CHUNKS = 16

/** Returns the number of multiplications. */
export const sizeOf = ({ m, n, k }: ProductSizes, matrices: number): number => m * n * k * matrices

/** Returns a `parts`-th of a length, rounded up to whole tiles. */
export const upTo = (length: number, parts: number, tile: number): number =>
  Math.ceil(length / Math.max(1, parts) / tile) * tile

/** Returns whether A has a single row and there is a single product, as in generation token by token. */
export const isOneRow = ({ kind, m }: ProductSizes, matrices: number): boolean =>
  kind === "nt" && m === 1 && matrices === 1

/** Multiplications of one row's chunk, at most: what one thread can have left when the others are done. */
const MOST_OF_ONE_ROW = 1 << 21

/**
 * Returns the columns of a chunk if A has one row. B is read once, from memory, and processors prefetch consecutive addresses: each thread gets
 * one contiguous part, or a few parts of a large B. Each column is a separate sum, so the division does not change results.
 */
export const columnsOfOneRow = ({ n, k }: ProductSizes, threads: number): number =>
  upTo(n, threads * Math.ceil((n * k) / threads / MOST_OF_ONE_ROW), 4)

/** Parameters of an engine's division; sizes are those of `../c/tiles.h`. */
export interface Tiles {
  /** columns of a panel, and rows of a tile, of the widest instruction set */
  readonly panel: number
  readonly tile: number
  /** number of multiplications below which a second thread costs more than it saves */
  readonly worthSharing: number
}

/** Of `../c/product.c`: terms of a block, and columns that no panel is packed for, so that their rows are cut into many chunks. */
const DEPTH = 384
/** Rows for which B is packed once, and panels that stay in the second cache. */
const ROWS = 512
const PANELS = 8
/** Panels of a chunk where threads share a product: while one is multiplied the next one is read, and no thread waits long for another. */
const SHARED_PANELS = 4

/**
 * Returns the division of products for an engine. A chunk packs its columns of B: it takes as many rows as leave enough chunks, and each thread
 * takes a few adjacent chunks of columns. Every element is one sum, so the division does not change results.
 */
export const cutsOf = ({ panel, tile, worthSharing }: Tiles): ProductCuts => ({
  chunk: (product, matrices, threads) => {
    const { m, n } = product
    const shared = matrices < CHUNKS && sizeOf(product, matrices) >= worthSharing
    if (isOneRow(product, matrices)) return [1, shared ? columnsOfOneRow(product, threads) : n]
    const panels = Math.ceil(n / panel)
    if (!shared) return [m, panel * Math.min(PANELS, panels)]
    const [rowChunks, rowTile] = n <= panel / 4 ? [CHUNKS, panel] : [Math.ceil(m / ROWS), tile]
    const rows = upTo(m, rowChunks, rowTile)
    const share = Math.ceil(panels / Math.ceil(threads / (matrices * Math.ceil(m / rows))))
    // chunks of equal size: with a large one and a small one, one of two threads waits for the other
    return [rows, panel * Math.ceil(share / Math.ceil(share / SHARED_PANELS))]
  },
  // a panel, or sums of one row's blocks of 32
  scratch: (product, columns) =>
    isOneRow(product, 1)
      ? 4 * Math.ceil(product.k / 32)
      : 4 * upTo(columns, 1, panel) * (Math.min(product.k, DEPTH) + (product.second?.k ?? 0))
})

/** Division of matrix products on wasm. */
export const WASM_CUTS = cutsOf({ panel: 8, tile: 4, worthSharing: 1 << 16 })
