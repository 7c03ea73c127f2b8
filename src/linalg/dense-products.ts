/**
 * Products of dense float64 matrices on the host, row-major, in a fixed order of sums: the same bits in every engine.
 *
 * Inner loops run along rows, four at a time: what a row costs to load is shared, and sums do not wait for one another.
 */

/** Returns Aᵀ [columns, rows] of A [rows, columns]. */
export const transposed = (a: ArrayLike<number>, rows: number, columns: number): Float64Array => {
  const out = new Float64Array(rows * columns)
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = a[i * columns + j]!
  return out
}

/** Returns the scalar product of row i of `a` and row j of `b`, both of this length. */
export const dotOfRows = (a: Float64Array, i: number, b: Float64Array, j: number, length: number): number => {
  let sum = 0
  for (let t = i * length, u = j * length, end = t + length; t < end; t++, u++) sum += a[t]! * b[u]!
  return sum
}

/** A·Bᵀ [m, n] of A [m, k] and B [n, k]; `upper`: of a symmetric product only the entries on and above the diagonal are computed; the rest is mirrored. */
const dotProducts = (a: Float64Array, b: Float64Array, m: number, n: number, k: number, upper: boolean) => {
  const out = new Float64Array(m * n)
  for (let i = 0; i < m; i++) {
    const rowA = i * k
    let j = upper ? i : 0
    for (; j + 3 < n; j += 4) {
      const [b0, b1, b2, b3] = [j * k, (j + 1) * k, (j + 2) * k, (j + 3) * k]
      let [s0, s1, s2, s3] = [0, 0, 0, 0]
      for (let t = 0; t < k; t++) {
        const x = a[rowA + t]!
        s0 += x * b[b0 + t]!
        s1 += x * b[b1 + t]!
        s2 += x * b[b2 + t]!
        s3 += x * b[b3 + t]!
      }
      out[i * n + j] = s0
      out[i * n + j + 1] = s1
      out[i * n + j + 2] = s2
      out[i * n + j + 3] = s3
    }
    for (; j < n; j++) out[i * n + j] = dotOfRows(a, i, b, j, k)
  }
  return out
}

/** Returns A·Bᵀ [m, n] of A [m, k] and B [n, k]. */
export const timesTransposed = (a: Float64Array, b: Float64Array, m: number, n: number, k: number): Float64Array =>
  dotProducts(a, b, m, n, k, false)

/** Returns A·Aᵀ [m, m] of A [m, k], exactly symmetric. */
export const gramOfRows = (a: Float64Array, m: number, k: number): Float64Array => {
  const out = dotProducts(a, a, m, m, k, true)
  for (let i = 0; i < m; i++) for (let j = 0; j < i; j++) out[i * m + j] = out[j * m + i]!
  return out
}

/** Returns A·B [m, n] of A [m, k] and B [k, n]. */
export const times = (a: Float64Array, b: Float64Array, m: number, n: number, k: number): Float64Array => {
  const out = new Float64Array(m * n)
  for (let i = 0; i < m; i++) {
    const row = i * n
    let t = 0
    for (; t + 3 < k; t += 4) {
      const [x0, x1, x2, x3] = [a[i * k + t]!, a[i * k + t + 1]!, a[i * k + t + 2]!, a[i * k + t + 3]!]
      const [b0, b1, b2, b3] = [t * n, (t + 1) * n, (t + 2) * n, (t + 3) * n]
      for (let j = 0; j < n; j++) {
        out[row + j] = out[row + j]! + (x0 * b[b0 + j]! + x1 * b[b1 + j]! + (x2 * b[b2 + j]! + x3 * b[b3 + j]!))
      }
    }
    for (; t < k; t++) {
      const x = a[i * k + t]!
      for (let j = 0; j < n; j++) out[row + j] = out[row + j]! + x * b[t * n + j]!
    }
  }
  return out
}
