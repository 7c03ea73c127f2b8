/**
 * The Gram matrix M·Mᵀ of the rows of a thin float32 matrix, or Mᵀ·M of its columns, in float64.
 *
 * A block of 64 columns (rows) is converted at a time; for columns it is transposed on the way. Tiles of 3 × 3 dot products run over
 * it, on and above the diagonal only. A float32 Gram would be wrong by 1e-7 λ_max, which is more than LoRA-Pro's damping.
 */
import { floats } from "./vectors"

const BLOCK: i32 = 64
/** Bytes of a converted row. */
const ROW: usize = 512

/** Bytes of scratch for a Gram matrix [r, r]. */
export function gramScratch(r: i32): usize {
  return <usize>r * ROW
}

/** Clears gram [r, r], float64, whose rows are `stride` bytes apart. */
function clear(gram: usize, r: i32, stride: usize): void {
  memory.fill(gram, 0, <usize>r * stride)
}

/** M [r, n] → M·Mᵀ */
export function gramOfRows(m: usize, r: i32, n: i32, gram: usize, stride: usize, scratch: usize): void {
  clear(gram, r, stride)
  for (let from = 0; from < n; from += BLOCK) {
    const width = min(BLOCK, n - from)
    for (let i = 0; i < r; i++) {
      convertRow(m + floats(i * n + from), width, scratch + <usize>i * ROW)
    }
    addDots(scratch, r, width, gram, stride)
  }
  mirror(gram, r, stride)
}

/** M [n, r] → Mᵀ·M */
export function gramOfColumns(m: usize, r: i32, n: i32, gram: usize, stride: usize, scratch: usize): void {
  clear(gram, r, stride)
  for (let from = 0; from < n; from += BLOCK) {
    const width = min(BLOCK, n - from)
    for (let i = 0; i < width; i++) {
      const row = m + floats((from + i) * r)
      let to = scratch + ((<usize>i) << 3)
      for (let j = 0; j < r; j++) {
        store<f64>(to, <f64>load<f32>(row + floats(j)))
        to += ROW
      }
    }
    if ((width & 1) !== 0) for (let j = 0; j < r; j++) store<f64>(scratch + <usize>j * ROW + ((<usize>width) << 3), 0)
    addDots(scratch, r, width, gram, stride)
  }
  mirror(gram, r, stride)
}

/** An odd row ends with a 0. */
function convertRow(from: usize, count: i32, to: usize): void {
  for (let j = 0; j < count; j++) store<f64>(to + ((<usize>j) << 3), <f64>load<f32>(from + floats(j)))
  if ((count & 1) !== 0) store<f64>(to + ((<usize>count) << 3), 0)
}

/** gram += block·blockᵀ, on and above the diagonal. */
function addDots(block: usize, r: i32, width: i32, gram: usize, stride: usize): void {
  for (let i = 0; i < r; i += 3) {
    const i1 = min(i + 1, r - 1)
    const i2 = min(i + 2, r - 1)
    for (let j = i; j < r; j += 3) {
      const at = gram + ((<usize>j) << 3)
      tile(
        block + <usize>i * ROW,
        block + <usize>i1 * ROW,
        block + <usize>i2 * ROW,
        block + <usize>j * ROW,
        block + <usize>min(j + 1, r - 1) * ROW,
        block + <usize>min(j + 2, r - 1) * ROW,
        width,
        at + <usize>i * stride,
        at + <usize>i1 * stride,
        at + <usize>i2 * stride,
        (<usize>(min(j + 1, r - 1) - j)) << 3,
        (<usize>(min(j + 2, r - 1) - j)) << 3
      )
    }
  }
}

function total(v: v128): f64 {
  return f64x2.extract_lane(v, 0) + f64x2.extract_lane(v, 1)
}

/** As `tileNT` of product.ts, in float64. */
function tile(
  a0: usize,
  a1: usize,
  a2: usize,
  b0: usize,
  b1: usize,
  b2: usize,
  width: i32,
  c0: usize,
  c1: usize,
  c2: usize,
  j1: usize,
  j2: usize
): void {
  let s00 = f64x2.splat(0)
  let s01 = f64x2.splat(0)
  let s02 = f64x2.splat(0)
  let s10 = f64x2.splat(0)
  let s11 = f64x2.splat(0)
  let s12 = f64x2.splat(0)
  let s20 = f64x2.splat(0)
  let s21 = f64x2.splat(0)
  let s22 = f64x2.splat(0)
  const end = a0 + ((<usize>((width + 1) & ~1)) << 3)
  while (a0 < end) {
    const y0 = v128.load(b0)
    const y1 = v128.load(b1)
    const y2 = v128.load(b2)
    const x0 = v128.load(a0)
    s00 = f64x2.add(s00, f64x2.mul(x0, y0))
    s01 = f64x2.add(s01, f64x2.mul(x0, y1))
    s02 = f64x2.add(s02, f64x2.mul(x0, y2))
    const x1 = v128.load(a1)
    s10 = f64x2.add(s10, f64x2.mul(x1, y0))
    s11 = f64x2.add(s11, f64x2.mul(x1, y1))
    s12 = f64x2.add(s12, f64x2.mul(x1, y2))
    const x2 = v128.load(a2)
    s20 = f64x2.add(s20, f64x2.mul(x2, y0))
    s21 = f64x2.add(s21, f64x2.mul(x2, y1))
    s22 = f64x2.add(s22, f64x2.mul(x2, y2))
    a0 += 16
    a1 += 16
    a2 += 16
    b0 += 16
    b1 += 16
    b2 += 16
  }
  // a row or column that occurs twice must be added once: the sums are all made before any is stored
  const t00 = load<f64>(c0) + total(s00)
  const t01 = load<f64>(c0 + j1) + total(s01)
  const t02 = load<f64>(c0 + j2) + total(s02)
  const t10 = load<f64>(c1) + total(s10)
  const t11 = load<f64>(c1 + j1) + total(s11)
  const t12 = load<f64>(c1 + j2) + total(s12)
  const t20 = load<f64>(c2) + total(s20)
  const t21 = load<f64>(c2 + j1) + total(s21)
  const t22 = load<f64>(c2 + j2) + total(s22)
  store<f64>(c0, t00)
  store<f64>(c0 + j1, t01)
  store<f64>(c0 + j2, t02)
  store<f64>(c1, t10)
  store<f64>(c1 + j1, t11)
  store<f64>(c1 + j2, t12)
  store<f64>(c2, t20)
  store<f64>(c2 + j1, t21)
  store<f64>(c2 + j2, t22)
}

/** Copies what is above the diagonal below it. */
function mirror(gram: usize, r: i32, stride: usize): void {
  for (let i = 1; i < r; i++) {
    for (let j = 0; j < i; j++) {
      store<f64>(gram + <usize>i * stride + ((<usize>j) << 3), load<f64>(gram + <usize>j * stride + ((<usize>i) << 3)))
    }
  }
}
