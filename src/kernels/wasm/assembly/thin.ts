/**
 * Products with thin matrices, on plain pointers: what LoRA-Pro's theorem is made of. The right operand is packed whole (panels.ts).
 */
import { strip } from "./panels"
import { tileN } from "./product-panels"
import { copyRows, floats, loadPart, storePart } from "./vectors"

/** Columns of a matrix [r, n] of our own: whole panels. At least `padded(n)`. */
export function wholePanels(n: i32): i32 {
  return ((n + 11) / 12) * 12
}

/**
 * C [m, n] = A·B with B [k, n] in packed panels. `row`: bytes from one row of A to the next, `step`: from term to term, so that Aᵀ is A
 * with the two exchanged. C has room for `padded(n)` floats a row.
 */
export function product(
  a: usize,
  row: usize,
  step: usize,
  m: i32,
  panels: usize,
  k: i32,
  n: i32,
  c: usize,
  ldc: usize
): void {
  for (let i = 0; i < m; i += 3) {
    const i0 = <usize>i
    const i1 = <usize>min(i + 1, m - 1)
    const i2 = <usize>min(i + 2, m - 1)
    strip(a + row * i0, a + row * i1, a + row * i2, step, panels, k, n, c + ldc * i0, c + ldc * i1, c + ldc * i2)
  }
}

/** C += A·B, where n is whole panels of 12. */
export function addProduct(
  a: usize,
  row: usize,
  step: usize,
  m: i32,
  panels: usize,
  k: i32,
  n: i32,
  c: usize,
  ldc: usize
): void {
  for (let j = 0; j < n; j += 12) {
    for (let i = 0; i < m; i += 3) {
      const i0 = <usize>i
      const i1 = <usize>min(i + 1, m - 1)
      const i2 = <usize>min(i + 2, m - 1)
      tileN(a + row * i0, a + row * i1, a + row * i2, step, panels, k, 0, c + ldc * i0, c + ldc * i1, c + ldc * i2)
    }
    panels += floats(12 * k)
    c += 48
  }
}

/** z = f·x + g·y over `count` floats; z may be x or y. */
export function combine(x: usize, f: f32, y: usize, g: f32, z: usize, count: i32): void {
  const fx = f32x4.splat(f)
  const gy = f32x4.splat(g)
  const end = x + floats(count & ~3)
  while (x < end) {
    v128.store(z, f32x4.add(f32x4.mul(v128.load(x), fx), f32x4.mul(v128.load(y), gy)))
    x += 16
    y += 16
    z += 16
  }
  const rest = count & 3
  if (rest === 0) return
  storePart(z, f32x4.add(f32x4.mul(loadPart(x, rest), fx), f32x4.mul(loadPart(y, rest), gy)), rest)
}

/** z = f·x over `count` floats; z may be x. */
export function scale(x: usize, f: f32, z: usize, count: i32): void {
  copyRows(x, 0, z, 0, 1, count, f)
}
