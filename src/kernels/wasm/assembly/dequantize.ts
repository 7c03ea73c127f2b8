/**
 * Packed numbers → floats: value = scale·stored, a scale for each row; types and packing in `src/tensors/packed-matrix.ts`.
 *
 *   half   sign, exponent and fraction move to where a float has them; a product with 2¹¹² · scale then sets the exponent right,
 *          subnormal halves too: (h & 0x7fff) << 13 is the float 2⁻¹¹²·|h|. Exact where the scale is a power of two.
 *   int8   extended, converted, multiplied: one rounding
 */
import { Dequantize } from "./declared"
import { floats, storePart } from "./vectors"

export const HALF: i32 = 1
export const INT8: i32 = 2

/** 2¹¹² */
const HALF_TO_FLOAT: f32 = 5.192296858534828e33
/** sign, exponent and fraction of a half, shifted left by 13 after sign extension */
const HALF_BITS: i32 = <i32>0x8fffe000

/** Bytes of so many packed numbers from the start of a row; the number is even for halves. */
export function packedBytes(kind: i32, count: i32): usize {
  return kind === HALF ? (<usize>count) << 1 : <usize>count
}

/** What every stored number of a row is multiplied by. */
export function factorOf(kind: i32, scale: usize): v128 {
  const scales = v128.load32_splat(scale)
  return kind === HALF ? f32x4.mul(scales, f32x4.splat(HALF_TO_FLOAT)) : scales
}

function lowHalves(h: v128, factor: v128): v128 {
  return f32x4.mul(v128.and(i32x4.shl(i32x4.extend_low_i16x8_s(h), 13), i32x4.splat(HALF_BITS)), factor)
}

function highHalves(h: v128, factor: v128): v128 {
  return f32x4.mul(v128.and(i32x4.shl(i32x4.extend_high_i16x8_s(h), 13), i32x4.splat(HALF_BITS)), factor)
}

function lowWords(w: v128, factor: v128): v128 {
  return f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(w)), factor)
}

function highWords(w: v128, factor: v128): v128 {
  return f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(w)), factor)
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

/** A part of a row. Reads whole 32-bit words, of which rows consist, and writes `count` floats. */
export function dequantizeRow(kind: i32, from: usize, count: i32, factor: v128, to: usize): void {
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
function dequantize4(kind: i32, from: usize, count: i32, factor: v128): v128 {
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
