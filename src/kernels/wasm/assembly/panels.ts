/**
 * Products with a whole right operand packed beforehand, for small matrices that are used at once: the heads of attention.
 *
 *   C [3, n] = A [3, k]·B [k, n]         B lies in panels of 12 columns and then of 8, one after the other, k rows each
 *
 * Two widths, because heads are 32 or 64 wide: 12 + 12 + 8 and 4·12 + 2·8 leave no lane idle. Where n is no sum of these, the last
 * panel holds columns that mean nothing, and C needs room for them: `padded(n)` floats a row.
 *
 * Packing costs k·n loads and stores against rows·k·n multiplications. Packing the transpose too (`packColumns`) makes A·Bᵀ the
 * same product: sums down the lanes instead of across them, which matters where k is a head's 32.
 */
import { tileN } from "./product-panels"
import { floats, madd } from "./vectors"

export const WIDE: i32 = 12
export const NARROW: i32 = 8

/** Panels of 12 for n columns; the rest goes into one or two of 8. */
export function wide(n: i32): i32 {
  const whole = n / WIDE
  const rest = n % WIDE
  if (rest > NARROW) return whole + 1
  return rest !== 0 && rest <= 4 && whole > 0 ? whole - 1 : whole
}

/** Columns of all panels. */
export function padded(n: i32): i32 {
  const first = wide(n) * WIDE
  return first + (max(0, n - first + NARROW - 1) / NARROW) * NARROW
}

/** Packs B [k, n], whose rows are `stride` bytes apart. */
export function packRows(from: usize, stride: usize, k: i32, n: i32, to: usize): void {
  const end = wide(n) * WIDE
  for (let j = 0; j < n; ) {
    const width = j < end ? WIDE : NARROW
    if (j + width <= n) packFull(from + floats(j), stride, k, width, to)
    else packPart(from + floats(j), stride, k, n - j, width, to)
    to += floats(width * k)
    j += width
  }
}

function packFull(from: usize, stride: usize, k: i32, width: i32, to: usize): void {
  for (let p = 0; p < k; p++) {
    v128.store(to, v128.load(from))
    v128.store(to, v128.load(from, 16), 16)
    if (width === WIDE) v128.store(to, v128.load(from, 32), 32)
    from += stride
    to += floats(width)
  }
}

function packPart(from: usize, stride: usize, k: i32, columns: i32, width: i32, to: usize): void {
  for (let p = 0; p < k; p++) {
    for (let j = 0; j < width; j++) store<f32>(to + floats(j), j < columns ? load<f32>(from + floats(j)) : 0)
    from += stride
    to += floats(width)
  }
}

/** Packs Bᵀ of B [n, k]. Columns that mean nothing repeat the last row of B. */
export function packColumns(from: usize, stride: usize, k: i32, n: i32, to: usize): void {
  const end = wide(n) * WIDE
  for (let j = 0; j < n; ) {
    const width = j < end ? WIDE : NARROW
    for (let i = 0; i < width; i += 4) {
      const row = from + stride * <usize>min(j + i, n - 1)
      const row1 = from + stride * <usize>min(j + i + 1, n - 1)
      const row2 = from + stride * <usize>min(j + i + 2, n - 1)
      const row3 = from + stride * <usize>min(j + i + 3, n - 1)
      gather(row, row1, row2, row3, k, to + floats(i), floats(width))
    }
    to += floats(width * k)
    j += width
  }
}

/** Packs Bᵀ of B [n, k] in panels of 12 alone, so that the number of a panel gives its place. Else as `packColumns`. */
export function packWide(from: usize, stride: usize, k: i32, n: i32, to: usize): void {
  for (let j = 0; j < n; j += WIDE) {
    for (let i = 0; i < WIDE; i += 4) {
      const row = from + stride * <usize>min(j + i, n - 1)
      const row1 = from + stride * <usize>min(j + i + 1, n - 1)
      const row2 = from + stride * <usize>min(j + i + 2, n - 1)
      const row3 = from + stride * <usize>min(j + i + 3, n - 1)
      gather(row, row1, row2, row3, k, to + floats(i), floats(WIDE))
    }
    to += floats(WIDE * k)
  }
}

/** Four rows of k floats → k times four floats, `step` bytes apart. */
function gather(r0: usize, r1: usize, r2: usize, r3: usize, k: i32, to: usize, step: usize): void {
  const end = r0 + floats(k)
  while (r0 < end) {
    let x = v128.load32_zero(r0)
    x = v128.load32_lane(r1, x, 1)
    x = v128.load32_lane(r2, x, 2)
    x = v128.load32_lane(r3, x, 3)
    v128.store(to, x)
    r0 += 4
    r1 += 4
    r2 += 4
    r3 += 4
    to += step
  }
}

/**
 * C [3, padded n] = three rows of A (or columns: `step` is the way to the next term) · packed panels of k rows.
 * Rows of C may coincide if those of A do.
 */
export function strip(
  a0: usize,
  a1: usize,
  a2: usize,
  step: usize,
  panel: usize,
  k: i32,
  n: i32,
  c0: usize,
  c1: usize,
  c2: usize
): void {
  const wides = wide(n)
  for (let j = 0; j < wides; j++) {
    clear(c0)
    clear(c1)
    clear(c2)
    tileN(a0, a1, a2, step, panel, k, 0, c0, c1, c2)
    panel += floats(WIDE * k)
    c0 += 48
    c1 += 48
    c2 += 48
  }
  for (let j = wides * WIDE; j < n; j += NARROW) {
    clearNarrow(c0)
    clearNarrow(c1)
    clearNarrow(c2)
    narrowTile(a0, a1, a2, step, panel, k, c0, c1, c2)
    panel += floats(NARROW * k)
    c0 += 32
    c1 += 32
    c2 += 32
  }
}

/** Starts a row of a tile of 12 columns. */
export function clear(c: usize): void {
  v128.store(c, f32x4.splat(0))
  v128.store(c, f32x4.splat(0), 16)
  v128.store(c, f32x4.splat(0), 32)
}

function clearNarrow(c: usize): void {
  v128.store(c, f32x4.splat(0))
  v128.store(c, f32x4.splat(0), 16)
}

/** C [3, 8] += three rows of A · a packed panel. */
export function narrowTile(
  a0: usize,
  a1: usize,
  a2: usize,
  step: usize,
  panel: usize,
  k: i32,
  c0: usize,
  c1: usize,
  c2: usize
): void {
  let s00 = v128.load(c0)
  let s01 = v128.load(c0, 16)
  let s10 = v128.load(c1)
  let s11 = v128.load(c1, 16)
  let s20 = v128.load(c2)
  let s21 = v128.load(c2, 16)
  const end = panel + floats(NARROW * k)
  while (panel < end) {
    const y0 = v128.load(panel)
    const y1 = v128.load(panel, 16)
    const x0 = v128.load32_splat(a0)
    s00 = madd(x0, y0, s00)
    s01 = madd(x0, y1, s01)
    const x1 = v128.load32_splat(a1)
    s10 = madd(x1, y0, s10)
    s11 = madd(x1, y1, s11)
    const x2 = v128.load32_splat(a2)
    s20 = madd(x2, y0, s20)
    s21 = madd(x2, y1, s21)
    a0 += step
    a1 += step
    a2 += step
    panel += 32
  }
  v128.store(c0, s00)
  v128.store(c0, s01, 16)
  v128.store(c1, s10)
  v128.store(c1, s11, 16)
  v128.store(c2, s20)
  v128.store(c2, s21, 16)
}
