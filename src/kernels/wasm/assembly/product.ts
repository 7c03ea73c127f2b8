/**
 * Matrix products for every transposition and batch, without transposed or packed copies of whole matrices.
 *
 *   nt   C += A·Bᵀ + A₂·B₂ᵀ      A [m, k], B [n, k]; A₂ [m, k₂], B₂ [n, k₂]      rows against rows: nothing is packed
 *   nn   C += A·B  + A₂·B₂       A [m, k], B [k, n]; A₂ [m, k₂], B₂ [k₂, n]      panels of 12 columns of B are packed
 *   tn   C += Aᵀ·B               A [k, m], B [k, n]                              the same panels, in blocks of rows
 *
 * The second pair is what a low-rank adapter adds: it runs in the accumulators of the first product. C starts at a bias (a row), at
 * 0, or at what is there.
 *
 * In `nt` and `nn` B may be packed (widen.ts): `nt` widens three of its rows for all rows of a chunk, `nn` widens what it packs
 * into a panel, so that tiles never see it and the result has the bits of a product with the widened B.
 *
 * Three rows by three vectors are nine accumulators, three operands and a temporary: what sixteen registers hold. Pointers move
 * instead of offsets being added, which JavaScriptCore compiles to an instruction each. Every element is one sum in an order that
 * the shape alone decides, so which thread computes which chunk changes no bit.
 *
 * At an edge, a tile's missing rows (in `nt` also columns) point at the last one: it is computed twice, to the same value.
 */
import { address, floats, int } from "./arguments"
import { madd } from "./madd"
import { factorOf, packedBytes, widen12, widenRow } from "./widen"

// words of the arguments; leading dimensions (floats from row to row), sizes and batch strides count floats
const A: i32 = 0
const LDA: i32 = 1
const B: i32 = 2
const LDB: i32 = 3
const C: i32 = 4
const LDC: i32 = 5
const M: i32 = 6
const N: i32 = 7
const K: i32 = 8
const START: i32 = 9 // what C starts at: 0, a bias [n] at word 10, or what is there
const BIAS: i32 = 10
const A2: i32 = 11
const LDA2: i32 = 12
const B2: i32 = 13
const LDB2: i32 = 14
const K2: i32 = 15
const INNER: i32 = 16 // a batch is outer × inner matrices
const A_OUTER: i32 = 17
const B_OUTER: i32 = 18
const C_OUTER: i32 = 19
const A_INNER: i32 = 20
const B_INNER: i32 = 21
const C_INNER: i32 = 22
const ROWS: i32 = 23 // rows and columns of C in a chunk
const COLUMNS: i32 = 24
const KIND: i32 = 25 // 0: B holds floats; else what it is packed as (widen.ts), and LDB counts 32-bit words
const SCALES: i32 = 26 // of a packed B's rows

const FROM_ZERO: i32 = 0
const FROM_BIAS: i32 = 1

/** Columns of a packed panel. */
const PANEL: i32 = 12
const PANEL_BYTES: usize = 48
/** Rows of A and B in a block of `tn`: a block of B's panel stays in the first cache. */
const BLOCK: i32 = 256

// where a chunk lies: module variables, one copy a thread
let a: usize = 0
let b: usize = 0
let c: usize = 0
let rows: i32 = 0
let columns: i32 = 0
let firstRow: i32 = 0
let firstColumn: i32 = 0

/** Finds the chunk's matrices and its part of C, and starts that part. */
function open(args: usize, chunk: i32): void {
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

/** The last `count` (1 to 3) floats of a row, and zeros. */
function tail(from: usize, count: i32): v128 {
  if (count === 1) return v128.load32_zero(from)
  const two = v128.load64_zero(from)
  return count === 2 ? two : v128.load32_lane(from + 8, two, 2)
}

function total(v: v128): f32 {
  return f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3))
}


// rows of the second pair: not parameters, which would stand in registers that the loop needs
let d0: usize = 0
let d1: usize = 0
let d2: usize = 0
let e0: usize = 0
let e1: usize = 0
let e2: usize = 0

/** C [3, 3] += rows a₀…a₂ · rows b₀…b₂, over k floats. `c₀…c₂`: rows of C, `j₀…j₂`: byte offsets of its columns. */
function tileNT(
  a0: usize,
  a1: usize,
  a2: usize,
  b0: usize,
  b1: usize,
  b2: usize,
  k: i32,
  k2: i32,
  c0: usize,
  c1: usize,
  c2: usize,
  j1: usize,
  j2: usize
): void {
  let s00 = f32x4.splat(0)
  let s01 = f32x4.splat(0)
  let s02 = f32x4.splat(0)
  let s10 = f32x4.splat(0)
  let s11 = f32x4.splat(0)
  let s12 = f32x4.splat(0)
  let s20 = f32x4.splat(0)
  let s21 = f32x4.splat(0)
  let s22 = f32x4.splat(0)
  while (true) {
    const end = a0 + ((<usize>(k & ~3)) << 2)
    while (a0 < end) {
      const y0 = v128.load(b0)
      const y1 = v128.load(b1)
      const y2 = v128.load(b2)
      const x0 = v128.load(a0)
      s00 = madd(x0, y0, s00)
      s01 = madd(x0, y1, s01)
      s02 = madd(x0, y2, s02)
      const x1 = v128.load(a1)
      s10 = madd(x1, y0, s10)
      s11 = madd(x1, y1, s11)
      s12 = madd(x1, y2, s12)
      const x2 = v128.load(a2)
      s20 = madd(x2, y0, s20)
      s21 = madd(x2, y1, s21)
      s22 = madd(x2, y2, s22)
      a0 += 16
      a1 += 16
      a2 += 16
      b0 += 16
      b1 += 16
      b2 += 16
    }
    const rest = k & 3
    if (rest !== 0) {
      const y0 = tail(b0, rest)
      const y1 = tail(b1, rest)
      const y2 = tail(b2, rest)
      const x0 = tail(a0, rest)
      s00 = madd(x0, y0, s00)
      s01 = madd(x0, y1, s01)
      s02 = madd(x0, y2, s02)
      const x1 = tail(a1, rest)
      s10 = madd(x1, y0, s10)
      s11 = madd(x1, y1, s11)
      s12 = madd(x1, y2, s12)
      const x2 = tail(a2, rest)
      s20 = madd(x2, y0, s20)
      s21 = madd(x2, y1, s21)
      s22 = madd(x2, y2, s22)
    }
    if (k2 === 0) break
    k = k2
    k2 = 0
    a0 = d0
    a1 = d1
    a2 = d2
    b0 = e0
    b1 = e1
    b2 = e2
  }
  // a column or row that stands twice must be added once: the sums are all made before any is stored
  const t00 = load<f32>(c0) + total(s00)
  const t01 = load<f32>(c0 + j1) + total(s01)
  const t02 = load<f32>(c0 + j2) + total(s02)
  const t10 = load<f32>(c1) + total(s10)
  const t11 = load<f32>(c1 + j1) + total(s11)
  const t12 = load<f32>(c1 + j2) + total(s12)
  const t20 = load<f32>(c2) + total(s20)
  const t21 = load<f32>(c2 + j1) + total(s21)
  const t22 = load<f32>(c2 + j2) + total(s22)
  store<f32>(c0, t00)
  store<f32>(c0 + j1, t01)
  store<f32>(c0 + j2, t02)
  store<f32>(c1, t10)
  store<f32>(c1 + j1, t11)
  store<f32>(c1 + j2, t12)
  store<f32>(c2, t20)
  store<f32>(c2 + j1, t21)
  store<f32>(c2 + j2, t22)
}

/** With a packed B, needs a scratch of three rows of k floats. */
export function nt(args: usize, chunk: i32, scratch: usize): void {
  open(args, chunk)
  const lda = floats(int(args, LDA))
  const ldb = floats(int(args, LDB))
  const ldc = floats(int(args, LDC))
  const lda2 = floats(int(args, LDA2))
  const ldb2 = floats(int(args, LDB2))
  const k = int(args, K)
  const k2 = int(args, K2)
  const a2 = address(args, A2)
  const b2 = address(args, B2)
  const kind = int(args, KIND)
  for (let j = 0; j < columns; j += 3) {
    const o1 = <usize>min(j + 1, columns - 1)
    const o2 = <usize>min(j + 2, columns - 1)
    const j0 = <usize>(firstColumn + j)
    const j1 = <usize>firstColumn + o1
    const j2 = <usize>firstColumn + o2
    e0 = b2 + ldb2 * j0
    e1 = b2 + ldb2 * j1
    e2 = b2 + ldb2 * j2
    let b0 = b + ldb * j0
    let b1 = b + ldb * j1
    let b3 = b + ldb * j2
    if (kind !== 0) {
      const scales = address(args, SCALES)
      widenRow(kind, b0, k, factorOf(kind, scales + (j0 << 2)), scratch)
      widenRow(kind, b1, k, factorOf(kind, scales + (j1 << 2)), scratch + floats(k))
      widenRow(kind, b3, k, factorOf(kind, scales + (j2 << 2)), scratch + floats(2 * k))
      b0 = scratch
      b1 = scratch + floats(k)
      b3 = scratch + floats(2 * k)
    }
    const at = c + floats(j)
    for (let i = 0; i < rows; i += 3) {
      const o3 = <usize>min(i + 1, rows - 1)
      const o4 = <usize>min(i + 2, rows - 1)
      const i0 = <usize>(firstRow + i)
      const i1 = <usize>firstRow + o3
      const i2 = <usize>firstRow + o4
      d0 = a2 + lda2 * i0
      d1 = a2 + lda2 * i1
      d2 = a2 + lda2 * i2
      tileNT(
        a + lda * i0,
        a + lda * i1,
        a + lda * i2,
        b0,
        b1,
        b3,
        k,
        k2,
        at + ldc * <usize>i,
        at + ldc * o3,
        at + ldc * o4,
        (o1 - <usize>j) << 2,
        (o2 - <usize>j) << 2
      )
    }
  }
}

/** Packs `count` rows of a panel of B, 12 columns each; missing columns are 0. Returns the end of what was written. */
function pack(from: usize, stride: usize, count: i32, columns: i32, to: usize): usize {
  if (columns >= PANEL) {
    for (let p = 0; p < count; p++) {
      v128.store(to, v128.load(from))
      v128.store(to, v128.load(from, 16), 16)
      v128.store(to, v128.load(from, 32), 32)
      from += stride
      to += PANEL_BYTES
    }
    return to
  }
  for (let p = 0; p < count; p++) {
    memory.fill(to, 0, PANEL_BYTES)
    memory.copy(to, from, floats(columns))
    from += stride
    to += PANEL_BYTES
  }
  return to
}

/** `pack` for a packed B: widens each row, which has a scale of its own. */
function packWidened(kind: i32, from: usize, stride: usize, count: i32, columns: i32, scales: usize, to: usize): usize {
  for (let p = 0; p < count; p++) {
    const factor = factorOf(kind, scales)
    if (columns >= PANEL) widen12(kind, from, factor, to)
    else {
      memory.fill(to, 0, PANEL_BYTES)
      widenRow(kind, from, columns, factor, to)
    }
    from += stride
    scales += 4
    to += PANEL_BYTES
  }
  return to
}

/** C [3, 12] += three rows of A (or columns: `step` is the way to the next term) · a packed panel of k rows. */
export function tileN(
  a0: usize,
  a1: usize,
  a2: usize,
  step: usize,
  panel: usize,
  k: i32,
  k2: i32,
  c0: usize,
  c1: usize,
  c2: usize
): void {
  let s00 = v128.load(c0)
  let s01 = v128.load(c0, 16)
  let s02 = v128.load(c0, 32)
  let s10 = v128.load(c1)
  let s11 = v128.load(c1, 16)
  let s12 = v128.load(c1, 32)
  let s20 = v128.load(c2)
  let s21 = v128.load(c2, 16)
  let s22 = v128.load(c2, 32)
  let b0 = panel
  let b1 = panel + 16
  let b2 = panel + 32
  while (true) {
    const end = b0 + (<usize>k) * PANEL_BYTES
    while (b0 < end) {
      const y0 = v128.load(b0)
      const y1 = v128.load(b1)
      const y2 = v128.load(b2)
      const x0 = v128.load32_splat(a0)
      s00 = madd(x0, y0, s00)
      s01 = madd(x0, y1, s01)
      s02 = madd(x0, y2, s02)
      const x1 = v128.load32_splat(a1)
      s10 = madd(x1, y0, s10)
      s11 = madd(x1, y1, s11)
      s12 = madd(x1, y2, s12)
      const x2 = v128.load32_splat(a2)
      s20 = madd(x2, y0, s20)
      s21 = madd(x2, y1, s21)
      s22 = madd(x2, y2, s22)
      a0 += step
      a1 += step
      a2 += step
      b0 += PANEL_BYTES
      b1 += PANEL_BYTES
      b2 += PANEL_BYTES
    }
    if (k2 === 0) break
    k = k2
    k2 = 0
    a0 = d0
    a1 = d1
    a2 = d2
  }
  v128.store(c0, s00)
  v128.store(c0, s01, 16)
  v128.store(c0, s02, 32)
  v128.store(c1, s10)
  v128.store(c1, s11, 16)
  v128.store(c1, s12, 32)
  v128.store(c2, s20)
  v128.store(c2, s21, 16)
  v128.store(c2, s22, 32)
}

/** A narrow panel's tile goes through [3, 12] floats at `edge`. */
function edgeTile(
  a0: usize,
  a1: usize,
  a2: usize,
  step: usize,
  panel: usize,
  k: i32,
  k2: i32,
  c0: usize,
  c1: usize,
  c2: usize,
  width: i32,
  edge: usize
): void {
  const bytes = floats(width)
  memory.copy(edge, c0, bytes)
  memory.copy(edge + 48, c1, bytes)
  memory.copy(edge + 96, c2, bytes)
  tileN(a0, a1, a2, step, panel, k, k2, edge, edge + 48, edge + 96)
  memory.copy(c0, edge, bytes)
  memory.copy(c1, edge + 48, bytes)
  memory.copy(c2, edge + 96, bytes)
}

/** Needs a scratch of 144 bytes and a panel of k + k₂ rows. */
export function nn(args: usize, chunk: i32, scratch: usize): void {
  open(args, chunk)
  const lda = floats(int(args, LDA))
  const ldb = floats(int(args, LDB))
  const ldc = floats(int(args, LDC))
  const lda2 = floats(int(args, LDA2))
  const ldb2 = floats(int(args, LDB2))
  const k = int(args, K)
  const k2 = int(args, K2)
  const a2 = address(args, A2)
  const b2 = address(args, B2)
  const panel = scratch + 144
  const kind = int(args, KIND)
  const scales = address(args, SCALES)
  for (let j = 0; j < columns; j += PANEL) {
    const width = min(PANEL, columns - j)
    const offset = floats(firstColumn + j)
    const next =
      kind === 0
        ? pack(b + offset, ldb, k, width, panel)
        : packWidened(kind, b + packedBytes(kind, firstColumn + j), ldb, k, width, scales, panel)
    if (k2 !== 0) pack(b2 + offset, ldb2, k2, width, next)
    const at = c + floats(j)
    for (let i = 0; i < rows; i += 3) {
      const o1 = <usize>min(i + 1, rows - 1)
      const o2 = <usize>min(i + 2, rows - 1)
      const i0 = <usize>(firstRow + i)
      const i1 = <usize>firstRow + o1
      const i2 = <usize>firstRow + o2
      const x0 = a + lda * i0
      const x1 = a + lda * i1
      const x2 = a + lda * i2
      d0 = a2 + lda2 * i0
      d1 = a2 + lda2 * i1
      d2 = a2 + lda2 * i2
      const c0 = at + ldc * <usize>i
      const c1 = at + ldc * o1
      const c2 = at + ldc * o2
      if (width === PANEL) tileN(x0, x1, x2, 4, panel, k, k2, c0, c1, c2)
      else edgeTile(x0, x1, x2, 4, panel, k, k2, c0, c1, c2, width, scratch)
    }
  }
}

/** Needs a scratch of 144 bytes and a panel of 256 rows. */
export function tn(args: usize, chunk: i32, scratch: usize): void {
  open(args, chunk)
  const lda = floats(int(args, LDA))
  const ldb = floats(int(args, LDB))
  const ldc = floats(int(args, LDC))
  const k = int(args, K)
  const panel = scratch + 144
  for (let j = 0; j < columns; j += PANEL) {
    const width = min(PANEL, columns - j)
    const offset = floats(firstColumn + j)
    const at = c + floats(j)
    for (let p = 0; p < k; p += BLOCK) {
      const depth = min(BLOCK, k - p)
      pack(b + ldb * <usize>p + offset, ldb, depth, width, panel)
      for (let i = 0; i < rows; i += 3) {
        const o1 = min(i + 1, rows - 1)
        const o2 = min(i + 2, rows - 1)
        const row = a + lda * <usize>p + floats(firstRow)
        const x0 = row + floats(i)
        const x1 = row + floats(o1)
        const x2 = row + floats(o2)
        const c0 = at + ldc * <usize>i
        const c1 = at + ldc * <usize>o1
        const c2 = at + ldc * <usize>o2
        if (width === PANEL) tileN(x0, x1, x2, lda, panel, depth, 0, c0, c1, c2)
        else edgeTile(x0, x1, x2, lda, panel, depth, 0, c0, c1, c2, width, scratch)
      }
    }
  }
}
