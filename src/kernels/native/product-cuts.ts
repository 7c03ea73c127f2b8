/** How products are cut into chunks for the native library: for 512-bit vectors; machine code is four times as fast as wasm. */
import { cutsOf, type ProductCuts, sizeOf, upTo } from "../wasm/product-cuts.ts"

const WORTH_SHARING = 1 << 18

/** Of `../c/bfloat16.c`: columns of a panel, rows of a tile, terms of a tile and of a block. */
const PANEL = 32
const HIGH = 16
const DEEP = 32
const MOST_TERMS = 1024
/** Rows and columns of a chunk in bfloat16: it rounds its rows once for all its columns, and they stay in the second cache. */
const MOST_ROWS = 512
const MOST_COLUMNS = 2048

const bfloat16Cuts: ProductCuts = {
  chunk: (product, matrices, threads) => {
    const { m, n } = product
    const parts = sizeOf(product, matrices) < WORTH_SHARING ? 1 : threads
    return [upTo(m, Math.ceil(m / MOST_ROWS), 2 * HIGH), upTo(n, parts * Math.ceil(n / parts / MOST_COLUMNS), PANEL)]
  },
  // tiles of A, a panel of B and one of the second pair's, from a line of the cache on
  scratch: ({ m, k, second }) => {
    const rows = upTo(upTo(m, Math.ceil(m / MOST_ROWS), 2 * HIGH), 1, HIGH)
    const depth = upTo(k, Math.ceil(k / MOST_TERMS), DEEP)
    return 2 * depth * (rows + PANEL) + 4 * PANEL * (second?.k ?? 0) + 64
  }
}

const wholeCuts = cutsOf({ panel: 32, tile: 12, worthSharing: WORTH_SHARING })

/** Division of matrix products on the native library. */
export const NATIVE_CUTS: ProductCuts = {
  chunk: (product, ...rest) => (product.operands ? bfloat16Cuts : wholeCuts).chunk(product, ...rest),
  scratch: (product, columns) => (product.operands ? bfloat16Cuts : wholeCuts).scratch(product, columns)
}
