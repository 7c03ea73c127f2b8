/**
 * Products of blocks under a diagonal: tiles that lie above it (and, with a window, those too far below) are left out, and sums run
 * over the terms that are there.
 */
import { clear, NARROW, narrowTile, WIDE, wide } from "./panels"
import { tileN } from "./product-panels"
import { floats } from "./vectors"

/**
 * C [rows, …] = A·panels of 12 (`packWide`), panels p₀ … p₁ − 1, k terms each. Row r attends columns r + reach − window + 1 … r + reach;
 * what else lies in C is left as it is, or nonsense. `lda`, `ldc`: bytes from row to row.
 */
export function scoreBlock(
  a: usize,
  lda: usize,
  rows: i32,
  panels: usize,
  k: i32,
  p0: i32,
  p1: i32,
  c: usize,
  ldc: usize,
  reach: i32,
  window: i32
): void {
  for (let p = p0; p < p1; p++) {
    const j = p * WIDE
    const start = max(0, j - reach)
    const end = min(rows, j + WIDE - 1 + window - reach)
    const panel = panels + floats(j * k)
    const to = c + floats(j)
    for (let i = start - (start % 3); i < end; i += 3) {
      const i0 = <usize>i
      const i1 = <usize>min(i + 1, rows - 1)
      const i2 = <usize>min(i + 2, rows - 1)
      const c0 = to + ldc * i0
      const c1 = to + ldc * i1
      const c2 = to + ldc * i2
      clear(c0)
      clear(c1)
      clear(c2)
      tileN(a + lda * i0, a + lda * i1, a + lda * i2, 4, panel, k, 0, c0, c1, c2)
    }
  }
}

/**
 * C [m, padded n] += A·B, B [depth, n] in panels (`packRows`). Row i of C is the sum of the terms i + low … i + high that lie within
 * first … end − 1; rows go in threes, and a term outside a row's own range is 0 in A. `row` and `step`: bytes from row to row and from term
 * to term of A.
 */
export function addBlock(
  a: usize,
  row: usize,
  step: usize,
  m: i32,
  panels: usize,
  depth: i32,
  n: i32,
  c: usize,
  ldc: usize,
  first: i32,
  end: i32,
  low: i32,
  high: i32
): void {
  const wides = wide(n) * WIDE
  for (let j = 0; j < n; ) {
    const width = j < wides ? WIDE : NARROW
    for (let i = 0; i < m; i += 3) {
      const from = max(first, i + low)
      const count = min(end, i + 3 + high) - from
      if (count <= 0) continue
      const i0 = <usize>i
      const i1 = <usize>min(i + 1, m - 1)
      const i2 = <usize>min(i + 2, m - 1)
      const at = a + step * <usize>from
      const panel = panels + floats(width * from)
      const to = c + floats(j)
      if (width === WIDE)
        tileN(at + row * i0, at + row * i1, at + row * i2, step, panel, count, 0, to + ldc * i0, to + ldc * i1, to + ldc * i2)
      else
        narrowTile(at + row * i0, at + row * i1, at + row * i2, step, panel, count, to + ldc * i0, to + ldc * i1, to + ldc * i2)
    }
    panels += floats(width * depth)
    j += width
  }
}
