/**
 * Sums in float64, in an order that the shape alone decides.
 *
 *   sumRows      out[o] = Σ_r x[o, r] / divisor                      a chunk is a range of rows, or a block of one long row
 *   sumColumns   out[o, i] = Σ_r x[o, r, i]·y[o, r, i] / divisor     a chunk is a range of columns of one o; y may be absent
 */
import { address, floats, int } from "./arguments"

const X: i32 = 0
const Y: i32 = 1 // 0 for none
const OUT: i32 = 2
const OUTER: i32 = 3
const REDUCED: i32 = 4
const INNER: i32 = 5
const DIVISOR: i32 = 6
const PER_CHUNK: i32 = 7
const BLOCK: i32 = 8 // of a long row; 0 where rows are whole
const PARTS: i32 = 9 // the sums of the blocks, in float64

/** Two floats as float64. */
// @ts-ignore: a decorator
@inline
function two(from: usize): v128 {
  return f64x2.promote_low_f32x4(v128.load64_zero(from))
}

/** Four accumulators, because one would wait for its own addition. */
function sumOf(x: usize, count: i32): f64 {
  let a = f64x2.splat(0)
  let b = f64x2.splat(0)
  let c = f64x2.splat(0)
  let d = f64x2.splat(0)
  const whole = x + floats(count & ~7)
  const end = whole + floats(count & 7)
  while (x < whole) {
    a = f64x2.add(a, two(x))
    b = f64x2.add(b, two(x + 8))
    c = f64x2.add(c, two(x + 16))
    d = f64x2.add(d, two(x + 24))
    x += 32
  }
  a = f64x2.add(f64x2.add(a, b), f64x2.add(c, d))
  let sum = f64x2.extract_lane(a, 0) + f64x2.extract_lane(a, 1)
  while (x < end) {
    sum += <f64>load<f32>(x)
    x += 4
  }
  return sum
}

export function sumRows(args: usize, chunk: i32, _scratch: usize): void {
  const reduced = int(args, REDUCED)
  const block = int(args, BLOCK)
  if (block !== 0) {
    const blocks = (reduced + block - 1) / block
    const at = (chunk % blocks) * block
    const row = address(args, X) + floats(reduced) * <usize>(chunk / blocks)
    store<f64>(address(args, PARTS) + ((<usize>chunk) << 3), sumOf(row + floats(at), min(block, reduced - at)))
    return
  }
  const first = chunk * int(args, PER_CHUNK)
  const last = min(first + int(args, PER_CHUNK), int(args, OUTER))
  const divisor = <f64>int(args, DIVISOR)
  for (let o = first; o < last; o++) {
    const row = address(args, X) + floats(reduced) * <usize>o
    store<f32>(address(args, OUT) + floats(o), <f32>(sumOf(row, reduced) / divisor))
  }
}

/** The sums of long rows from those of their blocks, in one chunk. */
export function combineSums(args: usize, _chunk: i32, _scratch: usize): void {
  const block = int(args, BLOCK)
  const blocks = (int(args, REDUCED) + block - 1) / block
  const divisor = <f64>int(args, DIVISOR)
  let part = address(args, PARTS)
  for (let o = 0; o < int(args, OUTER); o++) {
    let sum: f64 = 0
    for (let b = 0; b < blocks; b++) {
      sum += load<f64>(part)
      part += 8
    }
    store<f32>(address(args, OUT) + floats(o), <f32>(sum / divisor))
  }
}

// @ts-ignore: a decorator
@inline
function storeTwo(to: usize, sum: v128, divisor: v128): void {
  v128.store64_lane(to, f32x4.demote_f64x2_zero(f64x2.div(sum, divisor)), 0)
}

/** Eight columns, `stride` bytes from row to row. */
function eightColumns(x: usize, y: usize, out: usize, stride: usize, reduced: i32, divisor: f64): void {
  let a = f64x2.splat(0)
  let b = f64x2.splat(0)
  let c = f64x2.splat(0)
  let d = f64x2.splat(0)
  if (y === 0) {
    for (let r = 0; r < reduced; r++) {
      a = f64x2.add(a, two(x))
      b = f64x2.add(b, two(x + 8))
      c = f64x2.add(c, two(x + 16))
      d = f64x2.add(d, two(x + 24))
      x += stride
    }
  } else {
    for (let r = 0; r < reduced; r++) {
      a = f64x2.add(a, f64x2.mul(two(x), two(y)))
      b = f64x2.add(b, f64x2.mul(two(x + 8), two(y + 8)))
      c = f64x2.add(c, f64x2.mul(two(x + 16), two(y + 16)))
      d = f64x2.add(d, f64x2.mul(two(x + 24), two(y + 24)))
      x += stride
      y += stride
    }
  }
  const divisors = f64x2.splat(divisor)
  storeTwo(out, a, divisors)
  storeTwo(out + 8, b, divisors)
  storeTwo(out + 16, c, divisors)
  storeTwo(out + 24, d, divisors)
}

function oneColumn(x: usize, y: usize, out: usize, stride: usize, reduced: i32, divisor: f64): void {
  let sum: f64 = 0
  for (let r = 0; r < reduced; r++) {
    const value = <f64>load<f32>(x)
    if (y === 0) sum += value
    else {
      sum += value * <f64>load<f32>(y)
      y += stride
    }
    x += stride
  }
  store<f32>(out, <f32>(sum / divisor))
}

export function sumColumns(args: usize, chunk: i32, _scratch: usize): void {
  const reduced = int(args, REDUCED)
  const inner = int(args, INNER)
  const perRow = (inner + int(args, PER_CHUNK) - 1) / int(args, PER_CHUNK)
  const outer = chunk / perRow
  const first = (chunk % perRow) * int(args, PER_CHUNK)
  const last = min(first + int(args, PER_CHUNK), inner)
  const stride = floats(inner)
  const offset = stride * <usize>reduced * <usize>outer
  const x = address(args, X) + offset
  const y = address(args, Y) === 0 ? 0 : address(args, Y) + offset
  const out = address(args, OUT) + stride * <usize>outer
  const divisor = <f64>int(args, DIVISOR)
  let i = first
  while (i < last) {
    const at = floats(i)
    const wide = last - i >= 8
    const column = y === 0 ? 0 : y + at
    if (wide) eightColumns(x + at, column, out + at, stride, reduced, divisor)
    else oneColumn(x + at, column, out + at, stride, reduced, divisor)
    i += wide ? 8 : 1
  }
}
