/**
 * How matrix products are cut into chunks. Their sums are cut by the shape alone, so that results do not depend on the threads. An engine
 * carries the cuts of the code that computes on it, so that a page has those of wasm alone, and has them when it opens a wasm device.
 */

/** Of a `Product`, what its cuts depend on. */
export interface ProductSizes {
  readonly kind: "nt" | "nn" | "tn"
  readonly m: number
  readonly n: number
  readonly k: number
  readonly second?: { readonly k: number }
  readonly packed?: object | undefined
}

export interface ProductCuts {
  /** of C, in a chunk */
  readonly chunk: (product: ProductSizes, matrices: number, threads: number) => readonly [rows: number, columns: number]
  /** of a chunk, in bytes */
  readonly scratch: (product: ProductSizes, columns: number) => number
}

/** Chunks of a product: enough to keep two to eight threads evenly busy. */
export const CHUNKS = 16

/** In multiplications. */
export const sizeOf = ({ m, n, k }: ProductSizes, matrices: number): number => m * n * k * matrices

/** A `parts`-th of a length, rounded up to whole tiles. */
export const upTo = (length: number, parts: number, tile: number): number =>
  Math.ceil(length / Math.max(1, parts) / tile) * tile

/** Is it what a model that writes token by token asks for? */
export const isOneRow = ({ kind, m }: ProductSizes, matrices: number): boolean =>
  kind === "nt" && m === 1 && matrices === 1

/** Multiplications of one row's chunk, at most: what one thread can have left when the others are done. */
const MOST_OF_ONE_ROW = 1 << 21

/**
 * Columns of a chunk where A has one row. B is read once, from memory, and a processor reads ahead where it reads on: each thread gets its
 * share in one piece, or in a few of a large B. Every column is a sum of its own, which no cut changes.
 */
export const columnsOfOneRow = ({ n, k }: ProductSizes, threads: number): number =>
  upTo(n, threads * Math.ceil((n * k) / threads / MOST_OF_ONE_ROW), 4)

/** Multiplications below which a second thread costs more than it saves. */
const WORTH_SHARING = 1 << 16
const PANEL = 12
const BLOCK = 256

/** Most rows of a chunk of `nt`, with floats and with a packed B. */
const ROWS = 48
const ROWS_OF_PACKED = 192
/** of `nn` and `tn` */
const ROWS_OF_PANEL = 512

/**
 * `nt` takes few rows, which stay in a core's cache while B passes, but more where rows of B are dequantized for them; `nn` and `tn`
 * pack a panel of B for the rows of a chunk, which pays from some hundred rows on.
 */
export const WASM_CUTS: ProductCuts = {
  chunk: (product, matrices, threads) => {
    const { kind, m, n, packed } = product
    if (matrices >= CHUNKS || sizeOf(product, matrices) < WORTH_SHARING) return [m, n]
    if (isOneRow(product, matrices)) return [1, columnsOfOneRow(product, threads)]
    const most = kind !== "nt" ? ROWS_OF_PANEL : packed === undefined ? ROWS : ROWS_OF_PACKED
    const rows = upTo(m, Math.ceil(m / most), 3)
    const columnChunks = Math.ceil(CHUNKS / (matrices * Math.ceil(m / rows)))
    return [rows, upTo(n, columnChunks, kind !== "nt" ? PANEL : 3)]
  },
  // a panel, or the rows of a packed B that are dequantized at a time
  scratch: ({ kind, k, second, packed }) => {
    if (kind === "nt") return packed === undefined ? 0 : 4 * 3 * k
    const depth = kind === "nn" ? k + (second?.k ?? 0) : Math.min(k, BLOCK)
    return depth === 0 ? 0 : 144 + 4 * PANEL * depth
  }
}
