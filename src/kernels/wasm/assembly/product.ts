/**
 * Matrix products for every transposition and batch, without transposed or packed copies of whole matrices: what they have in common.
 *
 *   nt   C += A·Bᵀ + A₂·B₂ᵀ      A [m, k], B [n, k]; A₂ [m, k₂], B₂ [n, k₂]      product-rows.ts
 *   nn   C += A·B  + A₂·B₂       A [m, k], B [k, n]; A₂ [m, k₂], B₂ [k₂, n]      product-panels.ts
 *   tn   C += Aᵀ·B               A [k, m], B [k, n]                              product-panels.ts
 *
 * The second pair is what a low-rank adapter adds: it runs in the accumulators of the first product. C starts at a bias (a row), at
 * 0, or at what is there. A C that starts at 0 may have a factor: C = scale·A·B. In `nt` and `nn` B may be packed (dequantize.ts); the
 * result has the bits of a product with the dequantized B.
 *
 * Three rows by three vectors are nine accumulators, three operands and a temporary: what sixteen registers hold. Pointers move, and what
 * lies beside what one points at is a constant offset, which costs no instruction. A loop has few instructions besides its arithmetic: a
 * processor that decodes no more than it computes loses a quarter of its speed wherever the loop happens to begin badly. (Unrolled, loops are
 * slower: the compiler then orders terms by their sums, and registers do not suffice.) Every element is one sum in an order that
 * the shape alone decides, so which thread computes which chunk changes no bit.
 *
 * At an edge, a tile's missing rows (in `nt` also columns) point at the last one: it is computed twice, to the same value.
 */
import { Product } from "./declared"
import { copyRows, floats } from "./vectors"

// what C starts at
const FROM_ZERO: i32 = 0
const FROM_BIAS: i32 = 1

// where a chunk lies: module variables, one copy a thread
export let a: usize = 0
export let b: usize = 0
export let c: usize = 0
export let rows: i32 = 0
export let columns: i32 = 0
export let firstRow: i32 = 0
export let firstColumn: i32 = 0

/** Finds the chunk's matrices and its part of C, and starts that part. */
export function open(args: Product, chunk: i32): void {
  const m = args.m
  const n = args.n
  const rowChunks = (m + args.rows - 1) / args.rows
  const columnChunks = (n + args.columns - 1) / args.columns
  const perMatrix = rowChunks * columnChunks
  const matrix = chunk / perMatrix
  const within = chunk % perMatrix
  const outer = matrix / args.inner
  const inner = matrix % args.inner
  firstRow = (within / columnChunks) * args.rows
  firstColumn = (within % columnChunks) * args.columns
  rows = min(args.rows, m - firstRow)
  columns = min(args.columns, n - firstColumn)
  a = args.a + floats(outer * args.aOuter + inner * args.aInner)
  b = args.b + floats(outer * args.bOuter + inner * args.bInner)
  c = args.c + floats(outer * args.cOuter + inner * args.cInner)
  c += floats(firstRow * args.ldc + firstColumn)
  start(c, floats(args.ldc), rows, columns, args.start, args.bias + floats(firstColumn))
}

/** Multiplies the chunk's part of C, which is whole, by what the product has as its factor. */
export function close(args: Product): void {
  const stride = floats(args.ldc)
  if (args.scale !== 1) copyRows(c, stride, c, stride, rows, columns, args.scale)
}

function start(to: usize, stride: usize, rows: i32, columns: i32, kind: i32, bias: usize): void {
  if (kind > FROM_BIAS) return
  for (let i = 0; i < rows; i++) {
    if (kind === FROM_ZERO) memory.fill(to, 0, floats(columns))
    else memory.copy(to, bias, floats(columns))
    to += stride
  }
}
