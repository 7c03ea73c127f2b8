/**
 * Layer normalization, forward and backward; equations as in `src/kernels/layer-norm.ts`. A chunk is a range of rows.
 *
 * A row stays in the first cache, so several passes over it cost little, and the row of x̂ holds what is between them. The mean is
 * corrected: m₀ from a float32 sum, then with d = s − m₀
 *
 *   mean s = m₀ + mean d        var s = mean d² − (mean d)²         mean d is about m₀'s rounding, so nothing cancels
 */
import { address, float, floats, int } from "./arguments"
import { madd } from "./madd"
import { loadPart, storePart, total } from "./part"

const X: i32 = 0
const RESIDUAL: i32 = 1 // 0 for none
const GAMMA: i32 = 2
const BETA: i32 = 3
const Y: i32 = 4
const NORMALIZED: i32 = 5
const R: i32 = 6
const ROWS: i32 = 7
const N: i32 = 8
const PER_CHUNK: i32 = 9
const EPSILON: i32 = 10

/** Σ x; with a residual, x + residual is written to `to` and summed. */
function sumRow(x: usize, residual: usize, to: usize, n: i32): f32 {
  let s0 = f32x4.splat(0)
  let s1 = f32x4.splat(0)
  const pairs = x + floats(n & ~7)
  const rest = n & 7
  if (residual === 0) {
    while (x < pairs) {
      s0 = f32x4.add(s0, v128.load(x))
      s1 = f32x4.add(s1, v128.load(x, 16))
      x += 32
    }
  } else {
    while (x < pairs) {
      const v0 = f32x4.add(v128.load(x), v128.load(residual))
      const v1 = f32x4.add(v128.load(x, 16), v128.load(residual, 16))
      v128.store(to, v0)
      v128.store(to, v1, 16)
      s0 = f32x4.add(s0, v0)
      s1 = f32x4.add(s1, v1)
      x += 32
      residual += 32
      to += 32
    }
  }
  let sum = total(f32x4.add(s0, s1))
  const end = x + floats(rest)
  while (x < end) {
    let value = load<f32>(x)
    if (residual !== 0) {
      value += load<f32>(residual)
      store<f32>(to, value)
      residual += 4
      to += 4
    }
    sum += value
    x += 4
  }
  return sum
}

let sumD: f32 = 0
let sumSquares: f32 = 0

/** d = s − m into `to`; leaves Σ d and Σ d² in the variables above. */
function centreRow(s: usize, m: f32, to: usize, n: i32): void {
  const mean = f32x4.splat(m)
  let a0 = f32x4.splat(0)
  let a1 = f32x4.splat(0)
  let b0 = f32x4.splat(0)
  let b1 = f32x4.splat(0)
  const pairs = s + floats(n & ~7)
  const end = pairs + floats(n & 7)
  while (s < pairs) {
    const d0 = f32x4.sub(v128.load(s), mean)
    const d1 = f32x4.sub(v128.load(s, 16), mean)
    v128.store(to, d0)
    v128.store(to, d1, 16)
    a0 = f32x4.add(a0, d0)
    a1 = f32x4.add(a1, d1)
    b0 = madd(d0, d0, b0)
    b1 = madd(d1, d1, b1)
    s += 32
    to += 32
  }
  let a = total(f32x4.add(a0, a1))
  let b = total(f32x4.add(b0, b1))
  while (s < end) {
    const d = load<f32>(s) - m
    store<f32>(to, d)
    a += d
    b += d * d
    s += 4
    to += 4
  }
  sumD = a
  sumSquares = b
}

/** x̂ = (d − shift)·r in place, y = γ·x̂ + β. */
function finishRow(d: usize, shift: f32, r: f32, gamma: usize, beta: usize, y: usize, n: i32): void {
  const shifts = f32x4.splat(shift)
  const scales = f32x4.splat(r)
  const end = d + floats(n & ~3)
  while (d < end) {
    const normalized = f32x4.mul(f32x4.sub(v128.load(d), shifts), scales)
    v128.store(d, normalized)
    v128.store(y, madd(normalized, v128.load(gamma), v128.load(beta)))
    d += 16
    gamma += 16
    beta += 16
    y += 16
  }
  const rest = n & 3
  if (rest === 0) return
  const normalized = f32x4.mul(f32x4.sub(loadPart(d, rest), shifts), scales)
  storePart(d, normalized, rest)
  storePart(y, madd(normalized, loadPart(gamma, rest), loadPart(beta, rest)), rest)
}

export function layerNorm(args: usize, chunk: i32, _scratch: usize): void {
  const n = int(args, N)
  const row = floats(n)
  const first = chunk * int(args, PER_CHUNK)
  const last = min(first + int(args, PER_CHUNK), int(args, ROWS))
  const epsilon = <f64>float(args, EPSILON)
  const summed = address(args, RESIDUAL) !== 0
  for (let i = first; i < last; i++) {
    const offset = row * <usize>i
    const x = address(args, X) + offset
    const normalized = address(args, NORMALIZED) + offset
    const mean = sumRow(x, summed ? address(args, RESIDUAL) + offset : 0, normalized, n) / <f32>n
    centreRow(summed ? normalized : x, mean, normalized, n)
    const shift = <f64>sumD / <f64>n
    const variance = max<f64>(<f64>sumSquares / <f64>n - shift * shift, 0)
    const r = <f32>(1 / Math.sqrt(variance + epsilon))
    store<f32>(address(args, R) + floats(i), r)
    finishRow(normalized, <f32>shift, r, address(args, GAMMA), address(args, BETA), address(args, Y) + offset, n)
  }
}

const DY: i32 = 0
const DX: i32 = 4

let slope: f32 = 0

/** Σ γ·dy; leaves Σ γ·dy·x̂ in `slope`. */
function sumsBackward(dy: usize, gamma: usize, normalized: usize, n: i32): f32 {
  let a0 = f32x4.splat(0)
  let a1 = f32x4.splat(0)
  let b0 = f32x4.splat(0)
  let b1 = f32x4.splat(0)
  const pairs = dy + floats(n & ~7)
  const end = pairs + floats(n & 7)
  while (dy < pairs) {
    const g0 = f32x4.mul(v128.load(dy), v128.load(gamma))
    const g1 = f32x4.mul(v128.load(dy, 16), v128.load(gamma, 16))
    a0 = f32x4.add(a0, g0)
    a1 = f32x4.add(a1, g1)
    b0 = madd(g0, v128.load(normalized), b0)
    b1 = madd(g1, v128.load(normalized, 16), b1)
    dy += 32
    gamma += 32
    normalized += 32
  }
  let a = total(f32x4.add(a0, a1))
  let b = total(f32x4.add(b0, b1))
  while (dy < end) {
    const g = load<f32>(dy) * load<f32>(gamma)
    a += g
    b += g * load<f32>(normalized)
    dy += 4
    gamma += 4
    normalized += 4
  }
  slope = b
  return a
}

/** dx of a range of rows. */
export function layerNormBackward(args: usize, chunk: i32, _scratch: usize): void {
  const n = int(args, N)
  const row = floats(n)
  const rest = n & 3
  const first = chunk * int(args, PER_CHUNK)
  const last = min(first + int(args, PER_CHUNK), int(args, ROWS))
  for (let i = first; i < last; i++) {
    const offset = row * <usize>i
    let dy = address(args, DY) + offset
    let dx = address(args, DX) + offset
    let gamma = address(args, GAMMA)
    let normalized = address(args, NORMALIZED) + offset
    const means = f32x4.splat(sumsBackward(dy, gamma, normalized, n) / <f32>n)
    const slopes = f32x4.splat(slope / <f32>n)
    const scales = v128.load32_splat(address(args, R) + floats(i))
    const end = dy + floats(n & ~3)
    while (dy < end) {
      const g = f32x4.mul(v128.load(dy), v128.load(gamma))
      const along = f32x4.mul(v128.load(normalized), slopes)
      v128.store(dx, f32x4.mul(f32x4.sub(f32x4.sub(g, along), means), scales))
      dy += 16
      dx += 16
      gamma += 16
      normalized += 16
    }
    if (rest === 0) continue
    const g = f32x4.mul(loadPart(dy, rest), loadPart(gamma, rest))
    const along = f32x4.mul(loadPart(normalized, rest), slopes)
    storePart(dx, f32x4.mul(f32x4.sub(f32x4.sub(g, along), means), scales), rest)
  }
}
