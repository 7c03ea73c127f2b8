/**
 * `nt` with one row of A, what a model that writes token by token asks for: C [1, n] = a·Bᵀ. It waits for memory, so B is read once, four
 * rows at a time, and what is packed is dequantized in registers. Sums have the order, and so the bits, of `tileNT` with the dequantized B.
 */
import { Product } from "./declared"
import {
  BYTE, dequantize4, dOf, factorOf, fourOf, HALF, headOf, highHalves, highSteps, highWords, lowHalves, lowSteps, lowWords, mOf, packedBytes, Q4,
  Q4_BYTES, Q8, Q8_BYTES
} from "./dequantize"
import { a, b, c, columns, firstColumn, firstRow } from "./product"
import { floats, loadPart, loadUpTo, madd, total } from "./vectors"

// of four columns: where their rows of B are, their sums so far and, where rows are scaled, their factors; one copy a thread
let b0: usize = 0
let b1: usize = 0
let b2: usize = 0
let b3: usize = 0
let sum0: v128 = i32x4.splat(0)
let sum1: v128 = i32x4.splat(0)
let sum2: v128 = i32x4.splat(0)
let sum3: v128 = i32x4.splat(0)
let factor0: v128 = i32x4.splat(0)
let factor1: v128 = i32x4.splat(0)
let factor2: v128 = i32x4.splat(0)
let factor3: v128 = i32x4.splat(0)

/** A chunk. */
export function oneRow(args: Product): void {
  const k = args.k
  const k2 = args.k2
  const kind = args.packing
  const ldb = floats(args.ldb)
  const ldb2 = floats(args.ldb2)
  const row = a + floats(args.lda) * <usize>firstRow
  const row2 = args.a2 + floats(args.lda2) * <usize>firstRow
  const last = firstColumn + columns - 1
  for (let j = 0; j < columns; j += 4) {
    const j0 = firstColumn + j
    const j1 = min(j0 + 1, last)
    const j2 = min(j0 + 2, last)
    const j3 = min(j0 + 3, last)
    sum0 = i32x4.splat(0)
    sum1 = i32x4.splat(0)
    sum2 = i32x4.splat(0)
    sum3 = i32x4.splat(0)
    point(b, ldb, j0, j1, j2, j3)
    if (kind === 0) addFloats(row, k)
    else if (kind === Q4) addFourBits(row, k)
    else if (kind > Q4) addEightBits(row, k)
    else {
      const scales = args.scales
      factor0 = factorOf(kind, scales + floats(j0))
      factor1 = factorOf(kind, scales + floats(j1))
      factor2 = factorOf(kind, scales + floats(j2))
      factor3 = factorOf(kind, scales + floats(j3))
      if (kind === HALF) addHalves(row, k)
      else addBytes(row, k)
    }
    if (k2 !== 0) {
      point(args.b2, ldb2, j0, j1, j2, j3)
      addFloats(row2, k2)
    }
    const to = c + floats(j)
    const count = columns - j
    store<f32>(to, load<f32>(to) + total(sum0))
    if (count > 1) store<f32>(to + 4, load<f32>(to + 4) + total(sum1))
    if (count > 2) store<f32>(to + 8, load<f32>(to + 8) + total(sum2))
    if (count > 3) store<f32>(to + 12, load<f32>(to + 12) + total(sum3))
  }
}

function point(from: usize, stride: usize, j0: i32, j1: i32, j2: i32, j3: i32): void {
  b0 = from + stride * <usize>j0
  b1 = from + stride * <usize>j1
  b2 = from + stride * <usize>j2
  b3 = from + stride * <usize>j3
}

function addFloats(x: usize, k: i32): void {
  let s0 = sum0
  let s1 = sum1
  let s2 = sum2
  let s3 = sum3
  let y0 = b0
  let y1 = b1
  let y2 = b2
  let y3 = b3
  const end = x + floats(k & ~3)
  while (x < end) {
    const p = v128.load(x)
    s0 = madd(p, v128.load(y0), s0)
    s1 = madd(p, v128.load(y1), s1)
    s2 = madd(p, v128.load(y2), s2)
    s3 = madd(p, v128.load(y3), s3)
    x += 16
    y0 += 16
    y1 += 16
    y2 += 16
    y3 += 16
  }
  const rest = k & 3
  if (rest !== 0) {
    const p = loadPart(x, rest)
    s0 = madd(p, loadPart(y0, rest), s0)
    s1 = madd(p, loadPart(y1, rest), s1)
    s2 = madd(p, loadPart(y2, rest), s2)
    s3 = madd(p, loadPart(y3, rest), s3)
  }
  sum0 = s0
  sum1 = s1
  sum2 = s2
  sum3 = s3
}

function addHalves(x: usize, k: i32): void {
  let s0 = sum0
  let s1 = sum1
  let s2 = sum2
  let s3 = sum3
  const d1 = b1 - b0
  const d2 = b2 - b0
  const d3 = b3 - b0
  let y = b0
  const f0 = factor0
  const f1 = factor1
  const f2 = factor2
  const f3 = factor3
  const end = x + floats(k & ~7)
  while (x < end) {
    const p = v128.load(x)
    const q = v128.load(x, 16)
    let w = v128.load(y)
    s0 = madd(q, highHalves(w, f0), madd(p, lowHalves(w, f0), s0))
    w = v128.load(y + d1)
    s1 = madd(q, highHalves(w, f1), madd(p, lowHalves(w, f1), s1))
    w = v128.load(y + d2)
    s2 = madd(q, highHalves(w, f2), madd(p, lowHalves(w, f2), s2))
    w = v128.load(y + d3)
    s3 = madd(q, highHalves(w, f3), madd(p, lowHalves(w, f3), s3))
    x += 32
    y += 16
  }
  sum0 = s0
  sum1 = s1
  sum2 = s2
  sum3 = s3
  addRest(HALF, x, k & ~7, k)
}

function addBytes(x: usize, k: i32): void {
  let s0 = sum0
  let s1 = sum1
  let s2 = sum2
  let s3 = sum3
  const d1 = b1 - b0
  const d2 = b2 - b0
  const d3 = b3 - b0
  let y = b0
  const f0 = factor0
  const f1 = factor1
  const f2 = factor2
  const f3 = factor3
  const end = x + floats(k & ~7)
  while (x < end) {
    const p = v128.load(x)
    const q = v128.load(x, 16)
    let w = v128.load8x8_s(y)
    s0 = madd(q, highWords(w, f0), madd(p, lowWords(w, f0), s0))
    w = v128.load8x8_s(y + d1)
    s1 = madd(q, highWords(w, f1), madd(p, lowWords(w, f1), s1))
    w = v128.load8x8_s(y + d2)
    s2 = madd(q, highWords(w, f2), madd(p, lowWords(w, f2), s2))
    w = v128.load8x8_s(y + d3)
    s3 = madd(q, highWords(w, f3), madd(p, lowWords(w, f3), s3))
    x += 32
    y += 8
  }
  sum0 = s0
  sum1 = s1
  sum2 = s2
  sum3 = s3
  addRest(BYTE, x, k & ~7, k)
}

/** The last numbers of scaled rows, from `done` on. */
function addRest(kind: i32, x: usize, done: i32, k: i32): void {
  for (let p = done; p < k; p += 4) {
    const count = min(4, k - p)
    const at = packedBytes(kind, p)
    const v = loadUpTo(x, count)
    sum0 = madd(v, dequantize4(kind, b0 + at, count, factor0), sum0)
    sum1 = madd(v, dequantize4(kind, b1 + at, count, factor1), sum1)
    sum2 = madd(v, dequantize4(kind, b2 + at, count, factor2), sum2)
    sum3 = madd(v, dequantize4(kind, b3 + at, count, factor3), sum3)
    x += 16
  }
}

function addFourBits(x: usize, k: i32): void {
  let s0 = sum0
  let s1 = sum1
  let s2 = sum2
  let s3 = sum3
  let y = b0
  const d1 = b1 - b0
  const d2 = b2 - b0
  const d3 = b3 - b0
  const end = x + floats(k & ~31)
  while (x < end) {
    s0 = plusFourBits(x, y, s0)
    s1 = plusFourBits(x, y + d1, s1)
    s2 = plusFourBits(x, y + d2, s2)
    s3 = plusFourBits(x, y + d3, s3)
    x += 128
    y += Q4_BYTES
  }
  sum0 = s0
  sum1 = s1
  sum2 = s2
  sum3 = s3
  addRestOfBlocks(Q4, x, k & ~31, k)
}

/** s + 32 numbers at x · a block */
// @ts-ignore: a decorator
@inline
function plusFourBits(x: usize, block: usize, s: v128): v128 {
  const head = headOf(block)
  const d = dOf(head)
  const m = mOf(head)
  const pairs = v128.load(block, 4)
  let q = v128.and(pairs, i8x16.splat(15))
  let w = i16x8.extend_low_i8x16_u(q)
  s = madd(v128.load(x), lowSteps(w, d, m), s)
  s = madd(v128.load(x, 16), highSteps(w, d, m), s)
  w = i16x8.extend_high_i8x16_u(q)
  s = madd(v128.load(x, 32), lowSteps(w, d, m), s)
  s = madd(v128.load(x, 48), highSteps(w, d, m), s)
  q = i8x16.shr_u(pairs, 4)
  w = i16x8.extend_low_i8x16_u(q)
  s = madd(v128.load(x, 64), lowSteps(w, d, m), s)
  s = madd(v128.load(x, 80), highSteps(w, d, m), s)
  w = i16x8.extend_high_i8x16_u(q)
  s = madd(v128.load(x, 96), lowSteps(w, d, m), s)
  return madd(v128.load(x, 112), highSteps(w, d, m), s)
}

function addEightBits(x: usize, k: i32): void {
  let s0 = sum0
  let s1 = sum1
  let s2 = sum2
  let s3 = sum3
  let y = b0
  const d1 = b1 - b0
  const d2 = b2 - b0
  const d3 = b3 - b0
  const end = x + floats(k & ~31)
  while (x < end) {
    s0 = plusEightBits(x, y, s0)
    s1 = plusEightBits(x, y + d1, s1)
    s2 = plusEightBits(x, y + d2, s2)
    s3 = plusEightBits(x, y + d3, s3)
    x += 128
    y += Q8_BYTES
  }
  sum0 = s0
  sum1 = s1
  sum2 = s2
  sum3 = s3
  addRestOfBlocks(Q8, x, k & ~31, k)
}

// @ts-ignore: a decorator
@inline
function plusEightBits(x: usize, block: usize, s: v128): v128 {
  const d = dOf(headOf(block))
  let w = v128.load8x8_s(block, 4)
  s = madd(v128.load(x), lowWords(w, d), s)
  s = madd(v128.load(x, 16), highWords(w, d), s)
  w = v128.load8x8_s(block, 12)
  s = madd(v128.load(x, 32), lowWords(w, d), s)
  s = madd(v128.load(x, 48), highWords(w, d), s)
  w = v128.load8x8_s(block, 20)
  s = madd(v128.load(x, 64), lowWords(w, d), s)
  s = madd(v128.load(x, 80), highWords(w, d), s)
  w = v128.load8x8_s(block, 28)
  s = madd(v128.load(x, 96), lowWords(w, d), s)
  return madd(v128.load(x, 112), highWords(w, d), s)
}

/** The last numbers of rows in blocks, from `done` on. */
function addRestOfBlocks(kind: i32, x: usize, done: i32, k: i32): void {
  for (let p = done; p < k; p += 4) {
    const v = loadUpTo(x, min(4, k - p))
    sum0 = madd(v, fourOf(kind, b0, p), sum0)
    sum1 = madd(v, fourOf(kind, b1, p), sum1)
    sum2 = madd(v, fourOf(kind, b2, p), sum2)
    sum3 = madd(v, fourOf(kind, b3, p), sum3)
    x += 16
  }
}
