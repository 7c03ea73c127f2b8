/**
 * `nt`, rows against rows: nothing of A or B is packed, a tile is nine dot products of rows. Where B holds packed numbers, three
 * of its rows are dequantized for all rows of a chunk, so that tiles never see it. A single row is a case of its own (product-one-row.ts).
 */
import { Product } from "./declared"
import { dequantizeRow, factorOf } from "./dequantize"
import { a, b, c, close, columns, firstColumn, firstRow, open, rows } from "./product"
import { oneRow } from "./product-one-row"
import { floats, loadPart, madd, total } from "./vectors"

// rows of the second pair: not parameters, which would take registers that the loop needs
let d0: usize = 0
let d1: usize = 0
let d2: usize = 0
let e0: usize = 0
let e1: usize = 0
let e2: usize = 0

/** C [3, 3] += rows a₀…a₂ · rows b₀…b₂, over k floats. `c₀…c₂`: rows of C, `j₀…j₂`: byte offsets of its columns. */
export function tileNT(
  a0: usize,
  a1: usize,
  a2: usize,
  b0: usize,
  b1: usize,
  b2: usize,
  k: i32,
  k2: i32,
  c0: usize,
  c1: usize,
  c2: usize,
  j1: usize,
  j2: usize
): void {
  let s00 = f32x4.splat(0)
  let s01 = f32x4.splat(0)
  let s02 = f32x4.splat(0)
  let s10 = f32x4.splat(0)
  let s11 = f32x4.splat(0)
  let s12 = f32x4.splat(0)
  let s20 = f32x4.splat(0)
  let s21 = f32x4.splat(0)
  let s22 = f32x4.splat(0)
  while (true) {
    const end = a0 + ((<usize>(k & ~3)) << 2)
    if (a0 < end) do {
      const y0 = v128.load(b0)
      const y1 = v128.load(b1)
      const y2 = v128.load(b2)
      const x0 = v128.load(a0)
      s00 = madd(x0, y0, s00)
      s01 = madd(x0, y1, s01)
      s02 = madd(x0, y2, s02)
      const x1 = v128.load(a1)
      s10 = madd(x1, y0, s10)
      s11 = madd(x1, y1, s11)
      s12 = madd(x1, y2, s12)
      const x2 = v128.load(a2)
      s20 = madd(x2, y0, s20)
      s21 = madd(x2, y1, s21)
      s22 = madd(x2, y2, s22)
      a0 += 16
      a1 += 16
      a2 += 16
      b0 += 16
      b1 += 16
      b2 += 16
    } while (a0 < end)
    const rest = k & 3
    if (rest !== 0) {
      const y0 = loadPart(b0, rest)
      const y1 = loadPart(b1, rest)
      const y2 = loadPart(b2, rest)
      const x0 = loadPart(a0, rest)
      s00 = madd(x0, y0, s00)
      s01 = madd(x0, y1, s01)
      s02 = madd(x0, y2, s02)
      const x1 = loadPart(a1, rest)
      s10 = madd(x1, y0, s10)
      s11 = madd(x1, y1, s11)
      s12 = madd(x1, y2, s12)
      const x2 = loadPart(a2, rest)
      s20 = madd(x2, y0, s20)
      s21 = madd(x2, y1, s21)
      s22 = madd(x2, y2, s22)
    }
    if (k2 === 0) break
    k = k2
    k2 = 0
    a0 = d0
    a1 = d1
    a2 = d2
    b0 = e0
    b1 = e1
    b2 = e2
  }
  // a column or row that occurs twice must be added once: the sums are all made before any is stored
  const t00 = load<f32>(c0) + total(s00)
  const t01 = load<f32>(c0 + j1) + total(s01)
  const t02 = load<f32>(c0 + j2) + total(s02)
  const t10 = load<f32>(c1) + total(s10)
  const t11 = load<f32>(c1 + j1) + total(s11)
  const t12 = load<f32>(c1 + j2) + total(s12)
  const t20 = load<f32>(c2) + total(s20)
  const t21 = load<f32>(c2 + j1) + total(s21)
  const t22 = load<f32>(c2 + j2) + total(s22)
  store<f32>(c0, t00)
  store<f32>(c0 + j1, t01)
  store<f32>(c0 + j2, t02)
  store<f32>(c1, t10)
  store<f32>(c1 + j1, t11)
  store<f32>(c1 + j2, t12)
  store<f32>(c2, t20)
  store<f32>(c2 + j1, t21)
  store<f32>(c2 + j2, t22)
}

/** With a packed B, needs a scratch of three rows of k floats. */
export function nt(args: Product, chunk: i32, scratch: usize): void {
  open(args, chunk)
  if (rows === 1) oneRow(args)
  else everyRow(args, scratch)
  close(args)
}

function everyRow(args: Product, scratch: usize): void {
  const lda = floats(args.lda)
  const ldb = floats(args.ldb)
  const ldc = floats(args.ldc)
  const lda2 = floats(args.lda2)
  const ldb2 = floats(args.ldb2)
  const k = args.k
  const k2 = args.k2
  const a2 = args.a2
  const b2 = args.b2
  const packing = args.packing
  for (let j = 0; j < columns; j += 3) {
    const o1 = <usize>min(j + 1, columns - 1)
    const o2 = <usize>min(j + 2, columns - 1)
    const j0 = <usize>(firstColumn + j)
    const j1 = <usize>firstColumn + o1
    const j2 = <usize>firstColumn + o2
    e0 = b2 + ldb2 * j0
    e1 = b2 + ldb2 * j1
    e2 = b2 + ldb2 * j2
    let b0 = b + ldb * j0
    let b1 = b + ldb * j1
    let b3 = b + ldb * j2
    if (packing !== 0) {
      const scales = args.scales
      dequantizeRow(packing, b0, k, factorOf(packing, scales + (j0 << 2)), scratch)
      dequantizeRow(packing, b1, k, factorOf(packing, scales + (j1 << 2)), scratch + floats(k))
      dequantizeRow(packing, b3, k, factorOf(packing, scales + (j2 << 2)), scratch + floats(2 * k))
      b0 = scratch
      b1 = scratch + floats(k)
      b3 = scratch + floats(2 * k)
    }
    const at = c + floats(j)
    for (let i = 0; i < rows; i += 3) {
      const o3 = <usize>min(i + 1, rows - 1)
      const o4 = <usize>min(i + 2, rows - 1)
      const i0 = <usize>(firstRow + i)
      const i1 = <usize>firstRow + o3
      const i2 = <usize>firstRow + o4
      d0 = a2 + lda2 * i0
      d1 = a2 + lda2 * i1
      d2 = a2 + lda2 * i2
      tileNT(
        a + lda * i0,
        a + lda * i1,
        a + lda * i2,
        b0,
        b1,
        b3,
        k,
        k2,
        at + ldc * <usize>i,
        at + ldc * o3,
        at + ldc * o4,
        (o1 - <usize>j) << 2,
        (o2 - <usize>j) << 2
      )
    }
  }
}
