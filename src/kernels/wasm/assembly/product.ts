/**
 * Matrix products for every transposition and batch, without transposed or packed copies of whole matrices: what they have in common.
 *
 *   nt   C += A·Bᵀ + A₂·B₂ᵀ      A [m, k], B [n, k]; A₂ [m, k₂], B₂ [n, k₂]      product-rows.ts
 *   nn   C += A·B  + A₂·B₂       A [m, k], B [k, n]; A₂ [m, k₂], B₂ [k₂, n]      product-panels.ts
 *   tn   C += Aᵀ·B               A [k, m], B [k, n]                              product-panels.ts
 *
 * The second pair is what a low-rank adapter adds: it runs in the accumulators of the first product. C starts at a bias (a row), at
 * 0, or at what is there. In `nt` and `nn` B may be packed (widen.ts); the result has the bits of a product with the widened B.
 *
 * Three rows by three vectors are nine accumulators, three operands and a temporary: what sixteen registers hold. Pointers move
 * instead of offsets being added, which JavaScriptCore compiles to an instruction each. Every element is one sum in an order that
 * the shape alone decides, so which thread computes which chunk changes no bit.
 *
 * At an edge, a tile's missing rows (in `nt` also columns) point at the last one: it is computed twice, to the same value.
 */
import { address, floats, int } from "./arguments"

// words of the arguments; leading dimensions (floats from row to row), sizes and batch strides count floats
export const A: i32 = 0
export const LDA: i32 = 1
export const B: i32 = 2
export const LDB: i32 = 3
export const C: i32 = 4
export const LDC: i32 = 5
const M: i32 = 6
const N: i32 = 7
export const K: i32 = 8
const START: i32 = 9 // what C starts at: 0, a bias [n] at word 10, or what is there
const BIAS: i32 = 10
export const A2: i32 = 11
export const LDA2: i32 = 12
export const B2: i32 = 13
export const LDB2: i32 = 14
export const K2: i32 = 15
const INNER: i32 = 16 // a batch is outer × inner matrices
const A_OUTER: i32 = 17
const B_OUTER: i32 = 18
const C_OUTER: i32 = 19
const A_INNER: i32 = 20
const B_INNER: i32 = 21
const C_INNER: i32 = 22
const ROWS: i32 = 23 // rows and columns of C in a chunk
const COLUMNS: i32 = 24
export const KIND: i32 = 25 // 0: B holds floats; else what it is packed as (widen.ts), and LDB counts 32-bit words
export const SCALES: i32 = 26 // of a packed B's rows

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
export function open(args: usize, chunk: i32): void {
  const m = int(args, M)
  const n = int(args, N)
  const rowChunks = (m + int(args, ROWS) - 1) / int(args, ROWS)
  const columnChunks = (n + int(args, COLUMNS) - 1) / int(args, COLUMNS)
  const perMatrix = rowChunks * columnChunks
  const matrix = chunk / perMatrix
  const within = chunk % perMatrix
  const outer = matrix / int(args, INNER)
  const inner = matrix % int(args, INNER)
  firstRow = (within / columnChunks) * int(args, ROWS)
  firstColumn = (within % columnChunks) * int(args, COLUMNS)
  rows = min(int(args, ROWS), m - firstRow)
  columns = min(int(args, COLUMNS), n - firstColumn)
  a = address(args, A) + floats(outer * int(args, A_OUTER) + inner * int(args, A_INNER))
  b = address(args, B) + floats(outer * int(args, B_OUTER) + inner * int(args, B_INNER))
  c = address(args, C) + floats(outer * int(args, C_OUTER) + inner * int(args, C_INNER))
  c += floats(firstRow * int(args, LDC) + firstColumn)
  start(c, floats(int(args, LDC)), rows, columns, int(args, START), address(args, BIAS) + floats(firstColumn))
}

function start(to: usize, stride: usize, rows: i32, columns: i32, kind: i32, bias: usize): void {
  if (kind > FROM_BIAS) return
  for (let i = 0; i < rows; i++) {
    if (kind === FROM_ZERO) memory.fill(to, 0, floats(columns))
    else memory.copy(to, bias, floats(columns))
    to += stride
  }
}
