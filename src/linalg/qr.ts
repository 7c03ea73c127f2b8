/**
 * Thin QR on the host, in float64: a full basis whatever the rank (`householderQr`), or one that shows the rank (`thinQr`).
 *
 * Householder reflections: X = QR with QᵀQ = I, R upper triangular with a diagonal that is not negative. Where X has full column rank both
 * are unique; otherwise Q is orthonormal all the same.
 *
 * Shapes: X [m, n], Q [m, k], R [k, n] with k = min(m, n), row-major. Cost: 4mnk flops.
 */
import { transposed } from "./dense-products.ts"

interface HouseholderQr {
  readonly Q: Float64Array
  readonly R: Float64Array
}

/** Makes x[from …] of a column a multiple of a unit vector; the reflector replaces it. Returns β and the multiple. */
const reflector = (column: Float64Array, from: number): readonly [beta: number, entry: number] => {
  const first = column[from]!
  let rest = 0
  for (let i = from + 1; i < column.length; i++) rest += column[i]! * column[i]!
  if (rest === 0) return [0, first]
  const length = Math.sqrt(first * first + rest)
  const entry = first > 0 ? -length : length
  column[from] = first - entry
  return [1 / (length * (length + Math.abs(first))), entry]
}

/** x ← x − β v (vᵀx), both from this index on. */
const reflect = (x: Float64Array, v: Float64Array, from: number, beta: number): void => {
  if (beta === 0) return
  let product = 0
  for (let i = from; i < x.length; i++) product += v[i]! * x[i]!
  product *= beta
  for (let i = from; i < x.length; i++) x[i] = x[i]! - product * v[i]!
}

/** Decomposes a matrix stored by columns: `columns` [n, m] is Xᵀ, and is overwritten. Returns Qᵀ [k, m], and R [k, n]. */
export const qrOfColumns = (columns: Float64Array, m: number, n: number): HouseholderQr => {
  const k = Math.min(m, n)
  const column = (j: number) => columns.subarray(j * m, (j + 1) * m)
  const betas = new Float64Array(k)
  const R = new Float64Array(k * n)
  for (let j = 0; j < n; j++) {
    const x = column(j)
    for (let i = 0; i < Math.min(j, k); i++) {
      reflect(x, column(i), i, betas[i]!)
      R[i * n + j] = x[i]!
    }
    if (j < k) [betas[j], R[j * n + j]] = reflector(x, j)
  }
  const Q = new Float64Array(k * m)
  for (let j = 0; j < k; j++) {
    const q = Q.subarray(j * m, (j + 1) * m)
    const negative = R[j * n + j]! < 0
    q[j] = negative ? -1 : 1
    for (let i = j; i >= 0; i--) reflect(q, column(i), i, betas[i]!)
    if (negative) for (let l = j; l < n; l++) R[j * n + l] = -R[j * n + l]!
  }
  return { Q, R }
}

/** Decomposes X [m, n], row-major: X = QR. The input does not change. */
export const householderQr = (
  values: ArrayLike<number>,
  [m, n]: readonly [rows: number, columns: number]
): HouseholderQr => {
  const { Q, R } = qrOfColumns(transposed(values, m, n), m, n)
  return { Q: transposed(Q, Math.min(m, n), m), R }
}

/**
 * QR of vectors: xⱼ = Σ_k qₖ R[k, j] with orthonormal q, by modified Gram-Schmidt. It is applied twice to each vector, which makes the q
 * orthonormal up to rounding (Giraud, Langou & Rozložník 2005). A vector with a remainder below 1e-13 lies in the span of the earlier ones and
 * adds no q.
 */
export interface ThinQr {
  /** `rank` orthonormal vectors */
  readonly Q: ReadonlyArray<Float64Array>
  /** [rank, number of vectors], row-major */
  readonly R: Float64Array
  readonly rank: number
}

// some hundred roundings of 1.1e-16: what is left of a vector that lies in the span, against the vector
const DEPENDENT = 1e-13

/** Returns the scalar product. */
export const dot = (x: ArrayLike<number>, y: ArrayLike<number>): number => {
  let sum = 0
  for (let i = 0; i < x.length; i++) sum += x[i]! * y[i]!
  return sum
}

/** Decomposes vectors of equal length; they do not change. */
export const thinQr = (vectors: ReadonlyArray<Float64Array>): ThinQr => {
  const Q: Array<Float64Array> = []
  const rows: Array<Float64Array> = []
  vectors.forEach((vector, j) => {
    const rest = Float64Array.from(vector)
    const size = Math.sqrt(dot(rest, rest))
    for (let pass = 0; pass < 2; pass++) {
      Q.forEach((q, k) => {
        const along = dot(q, rest)
        rows[k]![j] = rows[k]![j]! + along
        for (let i = 0; i < rest.length; i++) rest[i] = rest[i]! - along * q[i]!
      })
    }
    const left = Math.sqrt(dot(rest, rest))
    if (!(left > DEPENDENT * size)) return
    Q.push(rest.map((x) => x / left))
    const row = new Float64Array(vectors.length)
    row[j] = left
    rows.push(row)
  })
  const R = new Float64Array(Q.length * vectors.length)
  rows.forEach((row, k) => {
    R.set(row, k * vectors.length)
  })
  return { Q, R, rank: Q.length }
}
