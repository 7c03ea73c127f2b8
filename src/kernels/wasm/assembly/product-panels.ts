/**
 * `nn` and `tn`: panels of 12 columns of B are packed, one at a time, and every three rows of A (or columns) pass over one. What holds
 * packed numbers is dequantized on its way into the panel, so that tiles never see it.
 */
import { Product } from "./declared"
import { dequantize12, dequantizeRow, factorOf, fourOf, packedBytes, Q4 } from "./dequantize"
import { a, b, c, close, columns, firstColumn, firstRow, open, rows } from "./product"
import { floats, madd, storeUpTo } from "./vectors"

/** Columns of a packed panel. */
const PANEL: i32 = 12
const PANEL_BYTES: usize = 48
/** Rows of A and B in a block of `tn`: a block of B's panel stays in the first cache. */
const BLOCK: i32 = 256

// rows of the second pair: not parameters, which would take registers that the loop needs
let d0: usize = 0
let d1: usize = 0
let d2: usize = 0

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

/** `pack` for a packed B: dequantizes each row, which has a scale of its own. */
function packDequantized(kind: i32, from: usize, stride: usize, count: i32, columns: i32, scales: usize, to: usize): usize {
  for (let p = 0; p < count; p++) {
    const factor = factorOf(kind, scales)
    if (columns >= PANEL) dequantize12(kind, from, factor, to)
    else {
      memory.fill(to, 0, PANEL_BYTES)
      dequantizeRow(kind, from, columns, factor, to)
    }
    from += stride
    scales += 4
    to += PANEL_BYTES
  }
  return to
}

/** The same for a B in blocks, from `column` on, a multiple of 12. */
function packBlocks(kind: i32, from: usize, column: i32, stride: usize, count: i32, columns: i32, to: usize): usize {
  for (let p = 0; p < count; p++) {
    if (columns < PANEL) memory.fill(to, 0, PANEL_BYTES)
    for (let j = 0; j < columns; j += 4) storeUpTo(to + floats(j), fourOf(kind, from, column + j), columns - j)
    from += stride
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
  while (true) {
    const end = panel + (<usize>k) * PANEL_BYTES
    while (panel < end) {
      const y0 = v128.load(panel)
      const y1 = v128.load(panel, 16)
      const y2 = v128.load(panel, 32)
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
      panel += PANEL_BYTES
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
export function nn(args: Product, chunk: i32, scratch: usize): void {
  open(args, chunk)
  const lda = floats(args.lda)
  const ldb = floats(args.ldb)
  const ldc = floats(args.ldc)
  const lda2 = floats(args.lda2)
  const ldb2 = floats(args.ldb2)
  const k = args.k
  const k2 = args.k2
  const a2 = args.a2
  const b2 = args.b2
  const panel = scratch + 144
  const packing = args.packing
  const scales = args.scales
  for (let j = 0; j < columns; j += PANEL) {
    const width = min(PANEL, columns - j)
    const offset = floats(firstColumn + j)
    let next: usize
    if (packing === 0) next = pack(b + offset, ldb, k, width, panel)
    else if (packing >= Q4) next = packBlocks(packing, b, firstColumn + j, ldb, k, width, panel)
    else next = packDequantized(packing, b + packedBytes(packing, firstColumn + j), ldb, k, width, scales, panel)
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
  close(args)
}

/** Needs a scratch of 144 bytes and a panel of 256 rows. */
export function tn(args: Product, chunk: i32, scratch: usize): void {
  open(args, chunk)
  const lda = floats(args.lda)
  const ldb = floats(args.ldb)
  const ldc = floats(args.ldc)
  const k = args.k
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
  close(args)
}
