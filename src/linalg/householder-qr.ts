/**
 * Thin QR of a matrix on the host, in float64, by Householder reflections: X = QR with QᵀQ = I, R upper triangular and its diagonal
 * not negative. Where X has full column rank both are unique. Where it has not, Q is orthonormal all the same.
 *
 * Shapes: X [m, n], Q [m, k], R [k, n] with k = min(m, n), row-major. Cost: 4mnk flops.
 */
import { transposed } from "./dense-products.ts"

export interface HouseholderQr {
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

/**
 * The same with columns lying contiguously: `columns` [n, m] is Xᵀ and is overwritten; answers Qᵀ [k, m], and R [k, n].
 */
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

export const householderQr = (
  values: ArrayLike<number>,
  [m, n]: readonly [rows: number, columns: number]
): HouseholderQr => {
  const { Q, R } = qrOfColumns(transposed(values, m, n), m, n)
  return { Q: transposed(Q, Math.min(m, n), m), R }
}
