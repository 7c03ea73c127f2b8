/**
 * RMS normalization, forward and backward; equations as in `src/kernels/rms-norm.ts`. A chunk is a range of rows, of dγ a range of columns.
 *
 * Sums are float64, of products in float64: no number that float32 holds has a square beyond its range. A row stays in the first
 * cache, so the second pass over it costs little.
 */
import { address, float, floats, int } from "./arguments"
import { loadPart, storePart } from "./part"

const X: i32 = 0
const RESIDUAL: i32 = 1 // 0 for none
const GAMMA: i32 = 2
const Y: i32 = 3
const SUM: i32 = 4 // x itself where there is no residual
const R: i32 = 5
const ROWS: i32 = 6
const N: i32 = 7
const PER_CHUNK: i32 = 8
const EPSILON: i32 = 9

/** The first two of four floats as float64. */
// @ts-ignore: a decorator
@inline
function low(v: v128): v128 {
  return f64x2.promote_low_f32x4(v)
}

/** The last two. */
// @ts-ignore: a decorator
@inline
function high(v: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<i32>(v, v, 2, 3, 2, 3))
}

// @ts-ignore: a decorator
@inline
function plusProduct(sum: v128, a: v128, b: v128): v128 {
  return f64x2.add(sum, f64x2.mul(a, b))
}

// @ts-ignore: a decorator
@inline
function totalOf(a: v128, b: v128): f64 {
  const sum = f64x2.add(a, b)
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1)
}

/** Σ s²; with a residual, s = x + residual is written to `sum`. */
function sumOfSquares(x: usize, residual: usize, sum: usize, n: i32): f64 {
  let a = f64x2.splat(0)
  let b = f64x2.splat(0)
  const end = x + floats(n & ~3)
  const rest = n & 3
  if (residual === 0) {
    while (x < end) {
      const s = v128.load(x)
      a = plusProduct(a, low(s), low(s))
      b = plusProduct(b, high(s), high(s))
      x += 16
    }
  } else {
    while (x < end) {
      const s = f32x4.add(v128.load(x), v128.load(residual))
      v128.store(sum, s)
      a = plusProduct(a, low(s), low(s))
      b = plusProduct(b, high(s), high(s))
      x += 16
      residual += 16
      sum += 16
    }
  }
  if (rest === 0) return totalOf(a, b)
  let s = loadPart(x, rest)
  if (residual !== 0) {
    s = f32x4.add(s, loadPart(residual, rest))
    storePart(sum, s, rest)
  }
  return totalOf(plusProduct(a, low(s), low(s)), plusProduct(b, high(s), high(s)))
}

/** y = γ·(s·r) */
function scaleRow(s: usize, r: f32, gamma: usize, y: usize, n: i32): void {
  const scales = f32x4.splat(r)
  const end = s + floats(n & ~3)
  while (s < end) {
    v128.store(y, f32x4.mul(f32x4.mul(v128.load(s), scales), v128.load(gamma)))
    s += 16
    gamma += 16
    y += 16
  }
  const rest = n & 3
  if (rest === 0) return
  storePart(y, f32x4.mul(f32x4.mul(loadPart(s, rest), scales), loadPart(gamma, rest)), rest)
}

export function rmsNorm(args: usize, chunk: i32, _scratch: usize): void {
  const n = int(args, N)
  const row = floats(n)
  const first = chunk * int(args, PER_CHUNK)
  const last = min(first + int(args, PER_CHUNK), int(args, ROWS))
  const epsilon = <f64>float(args, EPSILON)
  const summed = address(args, RESIDUAL) !== 0
  for (let i = first; i < last; i++) {
    const offset = row * <usize>i
    const s = address(args, SUM) + offset
    const residual = summed ? address(args, RESIDUAL) + offset : 0
    const squares = sumOfSquares(address(args, X) + offset, residual, s, n)
    const r = <f32>(1 / Math.sqrt(squares / <f64>n + epsilon))
    store<f32>(address(args, R) + floats(i), r)
    scaleRow(s, r, address(args, GAMMA), address(args, Y) + offset, n)
  }
}

const DY: i32 = 0
const GAMMA_BACKWARD: i32 = 1
const SUM_BACKWARD: i32 = 2
const R_BACKWARD: i32 = 3
const DS: i32 = 4
const DSUM: i32 = 5 // 0 for none

/** Σ γ·dy·s */
function sumAlong(dy: usize, gamma: usize, s: usize, n: i32): f64 {
  let a = f64x2.splat(0)
  let b = f64x2.splat(0)
  const end = dy + floats(n & ~3)
  while (dy < end) {
    const g = f32x4.mul(v128.load(dy), v128.load(gamma))
    const along = v128.load(s)
    a = plusProduct(a, low(g), low(along))
    b = plusProduct(b, high(g), high(along))
    dy += 16
    gamma += 16
    s += 16
  }
  const rest = n & 3
  if (rest === 0) return totalOf(a, b)
  const g = f32x4.mul(loadPart(dy, rest), loadPart(gamma, rest))
  const along = loadPart(s, rest)
  return totalOf(plusProduct(a, low(g), low(along)), plusProduct(b, high(g), high(along)))
}

/** r·(γ·dy − s·r·c) */
// @ts-ignore: a decorator
@inline
function slope(dy: v128, gamma: v128, s: v128, r: v128, c: v128): v128 {
  return f32x4.mul(f32x4.sub(f32x4.mul(dy, gamma), f32x4.mul(f32x4.mul(s, r), c)), r)
}

/** ds, + dsum where there is one. */
export function rmsNormBackward(args: usize, chunk: i32, _scratch: usize): void {
  const n = int(args, N)
  const row = floats(n)
  const rest = n & 3
  const first = chunk * int(args, PER_CHUNK)
  const last = min(first + int(args, PER_CHUNK), int(args, ROWS))
  const further = address(args, DSUM) !== 0
  for (let i = first; i < last; i++) {
    const offset = row * <usize>i
    let dy = address(args, DY) + offset
    let gamma = address(args, GAMMA_BACKWARD)
    let s = address(args, SUM_BACKWARD) + offset
    let ds = address(args, DS) + offset
    let dsum = further ? address(args, DSUM) + offset : 0
    const scale = load<f32>(address(args, R_BACKWARD) + floats(i))
    const r = f32x4.splat(scale)
    const c = f32x4.splat(<f32>((<f64>scale * sumAlong(dy, gamma, s, n)) / <f64>n))
    const end = dy + floats(n & ~3)
    while (dy < end) {
      let d = slope(v128.load(dy), v128.load(gamma), v128.load(s), r, c)
      if (further) d = f32x4.add(d, v128.load(dsum))
      v128.store(ds, d)
      dy += 16
      gamma += 16
      s += 16
      ds += 16
      dsum += 16
    }
    if (rest === 0) continue
    let d = slope(loadPart(dy, rest), loadPart(gamma, rest), loadPart(s, rest), r, c)
    if (further) d = f32x4.add(d, loadPart(dsum, rest))
    storePart(ds, d, rest)
  }
}

const SUM_SCALE: i32 = 1
const R_SCALE: i32 = 2
const OUT: i32 = 3
const ROWS_SCALE: i32 = 4
const N_SCALE: i32 = 5
const COLUMNS: i32 = 6 // of a chunk

/** Σ dy·s·r of eight columns, `stride` bytes from row to row. */
function eightColumns(dy: usize, s: usize, r: usize, out: usize, stride: usize, rows: i32): void {
  let a = f64x2.splat(0)
  let b = f64x2.splat(0)
  let c = f64x2.splat(0)
  let d = f64x2.splat(0)
  for (let i = 0; i < rows; i++) {
    const scale = f64x2.splat(<f64>load<f32>(r))
    const dy0 = v128.load(dy)
    const dy1 = v128.load(dy, 16)
    const s0 = v128.load(s)
    const s1 = v128.load(s, 16)
    a = plusProduct(a, low(dy0), f64x2.mul(low(s0), scale))
    b = plusProduct(b, high(dy0), f64x2.mul(high(s0), scale))
    c = plusProduct(c, low(dy1), f64x2.mul(low(s1), scale))
    d = plusProduct(d, high(dy1), f64x2.mul(high(s1), scale))
    dy += stride
    s += stride
    r += 4
  }
  v128.store64_lane(out, f32x4.demote_f64x2_zero(a), 0)
  v128.store64_lane(out + 8, f32x4.demote_f64x2_zero(b), 0)
  v128.store64_lane(out + 16, f32x4.demote_f64x2_zero(c), 0)
  v128.store64_lane(out + 24, f32x4.demote_f64x2_zero(d), 0)
}

function oneColumn(dy: usize, s: usize, r: usize, out: usize, stride: usize, rows: i32): void {
  let sum: f64 = 0
  for (let i = 0; i < rows; i++) {
    sum += <f64>load<f32>(dy) * (<f64>load<f32>(s) * <f64>load<f32>(r))
    dy += stride
    s += stride
    r += 4
  }
  store<f32>(out, <f32>sum)
}

/** dγ of a range of columns. */
export function rmsNormScaleGradient(args: usize, chunk: i32, _scratch: usize): void {
  const rows = int(args, ROWS_SCALE)
  const n = int(args, N_SCALE)
  const stride = floats(n)
  const r = address(args, R_SCALE)
  const last = min((chunk + 1) * int(args, COLUMNS), n)
  let i = chunk * int(args, COLUMNS)
  while (i < last) {
    const at = floats(i)
    const dy = address(args, DY) + at
    const s = address(args, SUM_SCALE) + at
    const out = address(args, OUT) + at
    const wide = last - i >= 8
    if (wide) eightColumns(dy, s, r, out, stride, rows)
    else oneColumn(dy, s, r, out, stride, rows)
    i += wide ? 8 : 1
  }
}
