/**
 * Sums in float64, in an order that the shape alone decides.
 *
 *   sumRows      out[o] = Σ_r x[o, r] / divisor                      a chunk is a range of rows, or a block of one long row
 *   sumColumns   out[o, i] = Σ_r x[o, r, i]·y[o, r, i] / divisor     a chunk is a range of columns of one o; y may be absent
 */
import { CombineSums, SumColumns, SumRows } from "./declared"
import { floats } from "./vectors"

/** Two floats as float64. */
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

export function sumRows(args: SumRows, chunk: i32, _scratch: usize): void {
  const reduced = args.reduced
  const block = args.block
  if (block !== 0) {
    const blocks = (reduced + block - 1) / block
    const at = (chunk % blocks) * block
    const row = args.x + floats(reduced) * <usize>(chunk / blocks)
    store<f64>(args.parts + ((<usize>chunk) << 3), sumOf(row + floats(at), min(block, reduced - at)))
    return
  }
  const first = chunk * args.perChunk
  const last = min(first + args.perChunk, args.outer)
  const divisor = <f64>args.divisor
  for (let o = first; o < last; o++) {
    const row = args.x + floats(reduced) * <usize>o
    store<f32>(args.out + floats(o), <f32>(sumOf(row, reduced) / divisor))
  }
}

/** The sums of long rows from those of their blocks, in one chunk. */
export function combineSums(args: CombineSums, _chunk: i32, _scratch: usize): void {
  const block = args.block
  const blocks = (args.reduced + block - 1) / block
  const divisor = <f64>args.divisor
  let part = args.parts
  for (let o = 0; o < args.outer; o++) {
    let sum: f64 = 0
    for (let b = 0; b < blocks; b++) {
      sum += load<f64>(part)
      part += 8
    }
    store<f32>(args.out + floats(o), <f32>(sum / divisor))
  }
}

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

export function sumColumns(args: SumColumns, chunk: i32, _scratch: usize): void {
  const reduced = args.reduced
  const inner = args.inner
  const perRow = (inner + args.perChunk - 1) / args.perChunk
  const outer = chunk / perRow
  const first = (chunk % perRow) * args.perChunk
  const last = min(first + args.perChunk, inner)
  const stride = floats(inner)
  const offset = stride * <usize>reduced * <usize>outer
  const x = args.x + offset
  const y = args.y === 0 ? 0 : args.y + offset
  const out = args.out + stride * <usize>outer
  const divisor = <f64>args.divisor
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
