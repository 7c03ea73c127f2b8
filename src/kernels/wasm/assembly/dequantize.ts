/**
 * Packed numbers → floats: value = scale·stored, a scale for each row, or value = d·q + m, d and m for each block; types and packing in
 * `src/numbers/packing.ts`.
 *
 *   half   sign, exponent and fraction move to where a float has them; a product with 2¹¹² · scale then sets the exponent right,
 *          subnormal halves too: (h & 0x7fff) << 13 is the float 2⁻¹¹²·|h|. Exact where the scale is a power of two.
 *   int8   extended, converted, multiplied: one rounding
 *   q4     d·q is exact, so a fused d·q + m is the same number as two operations
 *   q8     exact
 */
import { Dequantize } from "./declared"
import { floats, madd, storePart } from "./vectors"

export const HALF: i32 = 1
export const BYTE: i32 = 2
/** From here on rows consist of blocks of 32 numbers. */
export const Q4: i32 = 3
export const Q8: i32 = 4

/** Bytes of a block. */
export const Q4_BYTES: usize = 20
export const Q8_BYTES: usize = 36

/** 2¹¹² */
const HALF_TO_FLOAT: f32 = 5.192296858534828e33
/** sign, exponent and fraction of a half, shifted left by 13 after sign extension */
const HALF_BITS: i32 = <i32>0x8fffe000

/** Bytes of so many packed numbers from the start of a row; the number is even for halves. */
export function packedBytes(kind: i32, count: i32): usize {
  return kind === HALF ? (<usize>count) << 1 : <usize>count
}

/** What every stored number of a row is multiplied by; 0 where it lies in blocks. */
export function factorOf(kind: i32, scale: usize): v128 {
  if (kind >= Q4) return f32x4.splat(0)
  const scales = v128.load32_splat(scale)
  return kind === HALF ? f32x4.mul(scales, f32x4.splat(HALF_TO_FLOAT)) : scales
}

// @ts-ignore: a decorator
@inline
export function lowHalves(h: v128, factor: v128): v128 {
  return f32x4.mul(v128.and(i32x4.shl(i32x4.extend_low_i16x8_s(h), 13), i32x4.splat(HALF_BITS)), factor)
}

// @ts-ignore: a decorator
@inline
export function highHalves(h: v128, factor: v128): v128 {
  return f32x4.mul(v128.and(i32x4.shl(i32x4.extend_high_i16x8_s(h), 13), i32x4.splat(HALF_BITS)), factor)
}

// @ts-ignore: a decorator
@inline
export function lowWords(w: v128, factor: v128): v128 {
  return f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(w)), factor)
}

// @ts-ignore: a decorator
@inline
export function highWords(w: v128, factor: v128): v128 {
  return f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(w)), factor)
}

/** d and m of a block, and zeros. */
// @ts-ignore: a decorator
@inline
export function headOf(block: usize): v128 {
  return lowHalves(v128.load32_zero(block), f32x4.splat(HALF_TO_FLOAT))
}

/** d or, with 1, m of what `headOf` gives, four times. */
// @ts-ignore: a decorator
@inline
export function dOf(head: v128): v128 {
  return v128.shuffle<i32>(head, head, 0, 0, 0, 0)
}

// @ts-ignore: a decorator
@inline
export function mOf(head: v128): v128 {
  return v128.shuffle<i32>(head, head, 1, 1, 1, 1)
}

/** d·q + m of the lower or upper four of eight q. */
// @ts-ignore: a decorator
@inline
export function lowSteps(q: v128, d: v128, m: v128): v128 {
  return madd(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(q)), d, m)
}

// @ts-ignore: a decorator
@inline
export function highSteps(q: v128, d: v128, m: v128): v128 {
  return madd(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(q)), d, m)
}

/** Four numbers of a row in blocks, from `column` on, a multiple of 4. */
export function fourOf(kind: i32, row: usize, column: i32): v128 {
  const place = column & 31
  const blocks = <usize>(column >> 5)
  if (kind === Q8) {
    const block = row + blocks * Q8_BYTES
    const q = i16x8.extend_low_i8x16_s(v128.load32_zero(block + 4 + <usize>place))
    return lowWords(q, dOf(headOf(block)))
  }
  const block = row + blocks * Q4_BYTES
  const head = headOf(block)
  const pairs = v128.load32_zero(block + 4 + <usize>(place & 15))
  const q = place < 16 ? v128.and(pairs, i8x16.splat(15)) : i8x16.shr_u(pairs, 4)
  return lowSteps(i16x8.extend_low_i8x16_u(q), dOf(head), mOf(head))
}

/** The first `count` numbers of a row in blocks. */
function dequantizeBlocks(kind: i32, from: usize, count: i32, to: usize): void {
  const row = from
  const whole = count & ~31
  const end = to + floats(whole)
  if (kind === Q8) {
    while (to < end) {
      const d = dOf(headOf(from))
      for (let i: usize = 0; i < 4; i++) {
        const w = v128.load8x8_s(from + 4 + (i << 3))
        v128.store(to, lowWords(w, d))
        v128.store(to, highWords(w, d), 16)
        to += 32
      }
      from += Q8_BYTES
    }
  } else {
    while (to < end) {
      const head = headOf(from)
      const d = dOf(head)
      const m = mOf(head)
      const pairs = v128.load(from, 4)
      const lower = v128.and(pairs, i8x16.splat(15))
      const upper = i8x16.shr_u(pairs, 4)
      store16(to, lower, d, m)
      store16(to + 64, upper, d, m)
      from += Q4_BYTES
      to += 128
    }
  }
  for (let j = whole; j < count; j += 4) {
    const four = fourOf(kind, row, j)
    if (count - j >= 4) v128.store(to, four)
    else storePart(to, four, count - j)
    to += 16
  }
}

// @ts-ignore: a decorator
@inline
function store16(to: usize, q: v128, d: v128, m: v128): void {
  const low = i16x8.extend_low_i8x16_u(q)
  const high = i16x8.extend_high_i8x16_u(q)
  v128.store(to, lowSteps(low, d, m))
  v128.store(to, highSteps(low, d, m), 16)
  v128.store(to, lowSteps(high, d, m), 32)
  v128.store(to, highSteps(high, d, m), 48)
}

/** Twelve numbers, as a panel of a product wants them. */
export function dequantize12(kind: i32, from: usize, factor: v128, to: usize): void {
  if (kind === HALF) {
    const h = v128.load(from)
    v128.store(to, lowHalves(h, factor))
    v128.store(to, highHalves(h, factor), 16)
    v128.store(to, lowHalves(v128.load64_zero(from + 16), factor), 32)
    return
  }
  const w = v128.load8x8_s(from)
  v128.store(to, lowWords(w, factor))
  v128.store(to, highWords(w, factor), 16)
  v128.store(to, lowWords(i16x8.extend_low_i8x16_s(v128.load32_zero(from + 8)), factor), 32)
}

/** A part of a row, in blocks the first numbers of one. Reads whole 32-bit words, of which rows consist, and writes `count` floats. */
export function dequantizeRow(kind: i32, from: usize, count: i32, factor: v128, to: usize): void {
  if (kind >= Q4) return dequantizeBlocks(kind, from, count, to)
  const end = to + floats(count & ~7)
  if (kind === HALF) {
    while (to < end) {
      const h = v128.load(from)
      v128.store(to, lowHalves(h, factor))
      v128.store(to, highHalves(h, factor), 16)
      from += 16
      to += 32
    }
  } else {
    while (to < end) {
      const w = v128.load8x8_s(from)
      v128.store(to, lowWords(w, factor))
      v128.store(to, highWords(w, factor), 16)
      from += 8
      to += 32
    }
  }
  let rest = count & 7
  if (rest >= 4) {
    v128.store(to, dequantize4(kind, from, 4, factor))
    from += packedBytes(kind, 4)
    to += 16
    rest -= 4
  }
  if (rest !== 0) storePart(to, dequantize4(kind, from, rest, factor), rest)
}

/** Up to four numbers. */
export function dequantize4(kind: i32, from: usize, count: i32, factor: v128): v128 {
  if (kind === HALF) return lowHalves(count > 2 ? v128.load64_zero(from) : v128.load32_zero(from), factor)
  return lowWords(i16x8.extend_low_i8x16_s(v128.load32_zero(from)), factor)
}

// words of the arguments

/** A whole matrix. */
export function dequantize(args: Dequantize, chunk: i32, _scratch: usize): void {
  const kind = args.packing
  const columns = args.columns
  const end = min((chunk + 1) * args.perChunk, args.rows)
  for (let i = chunk * args.perChunk; i < end; i++) {
    const from = args.packed + floats(args.length) * <usize>i
    const factor = factorOf(kind, args.scales + floats(i))
    dequantizeRow(kind, from, columns, factor, args.whole + floats(columns) * <usize>i)
  }
}
