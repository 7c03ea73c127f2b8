/**
 * The leading singular triplets of a matrix on the host, in float64: W ≈ U diag(S) Vᵀ, the best approximation of its rank.
 *
 *   exact        leading eigenvectors of the smaller Gram matrix, then Rayleigh and Ritz: the subspace times W is decomposed by
 *                one-sided Jacobi. A Gram matrix squares singular values, and what is below 1e-8 of the largest is lost in it: so
 *                directions are taken down to 1e-3 of the largest, projected out of W, and the rest starts again from a Gram matrix of
 *                its own. The result is off by some ε‖W‖, as from any stable decomposition.
 *   randomised   the range of W(WᵀW)^q Ω, q = `iterations`, orthonormalised after every product, and the exact decomposition within it
 *                (Halko, Martinsson & Tropp 2011, arXiv 0909.4061, algorithms 4.4 and 5.1). Cost (4q + 4)·m·n·(rank + oversampling)
 *                flops; the error comes near the best one as fast as (σ_{r+1}/σ_r)^{2q+1} falls.
 *
 * Singular vectors come in pairs of either sign; here the largest entry of each right one is positive. Sums run in a fixed order and no
 * function is used that engines may round differently, so the same matrix gives the same bits everywhere.
 */
import type { Random } from "../numbers/index.ts"
import { dotOfRows, gramOfRows, times, timesTransposed, transposed } from "./dense-products.ts"
import { leadingEigenvectors } from "./leading-eigenvectors.ts"
import { qrOfColumns } from "./qr.ts"

/**
 * Leading singular triplets: U [m, rank] and V [n, rank] with orthonormal columns, row-major; S [rank], descending. Singular values within
 * rounding are 0.
 */
export interface TruncatedSvd {
  readonly U: Float64Array
  readonly S: Float64Array
  readonly V: Float64Array
}

/** Options of the randomised method. */
export interface Randomised {
  /** power iterations q, at least 0; 0 suits matrices whose singular values decrease quickly */
  readonly iterations: number
  readonly random: Random
  /** directions computed beyond `rank`; default 10 */
  readonly oversampling?: number
}

/** Error of a matrix with values that are not finite. Thrown. */
export class NotFiniteMatrix extends RangeError {
  readonly row: number
  readonly column: number
  readonly value: number
  constructor(row: number, column: number, value: number) {
    super(`entry [${row}, ${column}] is ${value}; singular values require finite entries`)
    this.name = "NotFiniteMatrix"
    this.row = row
    this.column = column
    this.value = value
  }
}

/** X = Σ σ a bᵀ, with X [q, p] and vectors as rows. */
interface Triplets {
  readonly a: Float64Array // [k, q]
  readonly S: Float64Array // [k]
  readonly b: Float64Array // [k, p]
}

/** Computes the `rank` largest singular values of `values` [m, n] (row-major), 1 ≤ rank ≤ min(m, n), with their vectors. Throws `NotFiniteMatrix`. */
export const truncatedSvd = (
  values: Float32Array | Float64Array,
  [m, n]: readonly [rows: number, columns: number],
  rank: number,
  randomised?: Randomised
): TruncatedSvd => {
  if (!(Number.isInteger(rank) && rank >= 1 && rank <= Math.min(m, n))) {
    throw new RangeError(`rank ${rank} of a matrix [${m}, ${n}]: expected an integer from 1 to ${Math.min(m, n)}`)
  }
  const scale = scaleOf(values, n)
  const scaled: Float64Array = scale === 1 ? Float64Array.from(values) : Float64Array.from(values, (x) => x * scale)
  const wide = m <= n
  const [q, p] = wide ? [m, n] : [n, m]
  const X = wide ? scaled : transposed(scaled, m, n)
  const size = rank + (randomised?.oversampling ?? 10)
  const { a, S, b } =
    randomised === undefined || size >= q ? leading(X, q, p, rank) : leadingOfRange(X, q, p, rank, size, randomised)
  const [u, v] = wide ? [a, b] : [b, a]
  fixSigns(u, v, rank)
  return { U: transposed(u, rank, m), S: S.map((sigma) => sigma / scale), V: transposed(v, rank, n) }
}

/** A power of two that keeps squares of squares within float64's range; 1 for any matrix of ordinary numbers. */
const scaleOf = (values: Float32Array | Float64Array, columns: number): number => {
  let largest = 0
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i]!)
    if (!Number.isFinite(size)) throw new NotFiniteMatrix(Math.floor(i / columns), i % columns, values[i]!)
    if (size > largest) largest = size
  }
  if (largest === 0) return 1
  return largest > 2 ** 200 ? 2 ** -800 : largest < 2 ** -200 ? 2 ** 800 : 1
}

/** Squared singular values this much below the largest are left for the next Gram matrix. */
const LEAST_OF_GRAM = 1e-6

const leading = (X: Float64Array, q: number, p: number, rank: number): Triplets => {
  const a = new Float64Array(rank * q)
  const rounding = Number.EPSILON * p
  let total = 0
  let rest: Float64Array = X
  for (let count = 0; count < rank; ) {
    const gram = gramOfRows(rest, q, p)
    const left = traceOf(gram, q)
    if (count === 0) total = left
    if (left <= rounding * rounding * total) break // zero rows of `a`: completed by the decomposition QR
    const { values, vectors } = leadingEigenvectors(gram, q, rank - count)
    const accurate = values.filter((value) => value >= LEAST_OF_GRAM * values[0]!).length
    const chosen = vectors.subarray(0, accurate * q)
    a.set(chosen, count * q)
    count += accurate
    if (count < rank) rest = projectedOut(rest, chosen, q, p, accurate)
  }
  return ritz(X, qrOfColumns(a, q, rank).Q, q, p, rank, rounding * Math.sqrt(total))
}

const traceOf = (square: Float64Array, n: number): number => {
  let trace = 0
  for (let i = 0; i < n; i++) trace += square[i * n + i]!
  return trace
}

/** X − aᵀ(aX) */
const projectedOut = (X: Float64Array, a: Float64Array, q: number, p: number, count: number): Float64Array => {
  const along = times(transposed(a, count, q), times(a, X, count, p, q), q, p, count)
  return X.map((x, i) => x - along[i]!)
}

// after the eigenvectors one or two sweeps are left
const MAX_SWEEPS = 40

/** The singular triplets of X within the span of the orthonormal rows of `a` [k, q]. What is not above `zero` is 0. */
const ritz = (X: Float64Array, a: Float64Array, q: number, p: number, k: number, zero: number): Triplets => {
  const y = times(a, X, k, p, q)
  for (let i = 0; i < MAX_SWEEPS && jacobiSweep(y, a, k, p, q) > 0; i++);
  const sizes = Float64Array.from({ length: k }, (_, i) => Math.sqrt(dotOfRows(y, i, y, i, p)))
  const order = Array.from({ length: k }, (_, i) => i).sort((i, j) => sizes[j]! - sizes[i]! || i - j)
  const S = Float64Array.from(order, (i) => (sizes[i]! > zero ? sizes[i]! : 0))
  const sorted = new Float64Array(k * q)
  const b = new Float64Array(k * p)
  order.forEach((from, to) => {
    sorted.set(a.subarray(from * q, (from + 1) * q), to * q)
    if (S[to] === 0) return
    for (let t = 0; t < p; t++) b[to * p + t] = y[from * p + t]! / S[to]!
  })
  // what belongs to 0 is any direction that is orthogonal to the others
  return { a: sorted, S, b: S[k - 1] === 0 ? qrOfColumns(b, p, k).Q : b }
}

/** Rotates pairs of rows of y until they are orthogonal, and the rows of `a` with them. Returns the number of rotations. */
const jacobiSweep = (y: Float64Array, a: Float64Array, k: number, p: number, q: number): number => {
  const tolerance = Number.EPSILON * Math.sqrt(p)
  let rotations = 0
  for (let i = 0; i < k; i++) {
    for (let j = i + 1; j < k; j++) {
      const [ii, jj, ij] = [dotOfRows(y, i, y, i, p), dotOfRows(y, j, y, j, p), dotOfRows(y, i, y, j, p)]
      if (Math.abs(ij) <= tolerance * Math.sqrt(ii) * Math.sqrt(jj)) continue
      const tau = (jj - ii) / (2 * ij)
      const t = (tau >= 0 ? 1 : -1) / (Math.abs(tau) + Math.sqrt(1 + tau * tau))
      const c = 1 / Math.sqrt(1 + t * t)
      rotateRows(y, i, j, p, c, t * c)
      rotateRows(a, i, j, q, c, t * c)
      rotations++
    }
  }
  return rotations
}

const rotateRows = (x: Float64Array, i: number, j: number, length: number, c: number, s: number): void => {
  for (let t = i * length, u = j * length, end = t + length; t < end; t++, u++) {
    const [upper, lower] = [x[t]!, x[u]!]
    x[t] = c * upper - s * lower
    x[u] = s * upper + c * lower
  }
}

/** The triplets of X within a subspace of `size` directions that a random one is drawn to. */
const leadingOfRange = (
  X: Float64Array,
  q: number,
  p: number,
  rank: number,
  size: number,
  { iterations, random }: Randomised
): Triplets => {
  // uniform rather than normal: integer arithmetic, hence the same in every engine
  let right: Float64Array = Float64Array.from({ length: size * p }, () => 2 * random() - 1)
  let left = qrOfColumns(timesTransposed(right, X, size, q, p), q, size).Q // [size, q]
  for (let i = 0; i < iterations; i++) {
    right = qrOfColumns(times(left, X, size, p, q), p, size).Q
    left = qrOfColumns(timesTransposed(right, X, size, q, p), q, size).Q
  }
  const { a, S, b } = leading(times(left, X, size, p, q), size, p, rank)
  return { a: times(a, left, rank, q, size), S, b }
}

const fixSigns = (u: Float64Array, v: Float64Array, k: number): void => {
  const [m, n] = [u.length / k, v.length / k]
  for (let i = 0; i < k; i++) {
    let largest = 0
    for (let t = i * n; t < (i + 1) * n; t++) if (Math.abs(v[t]!) > Math.abs(largest)) largest = v[t]!
    if (largest >= 0) continue
    for (let t = i * n; t < (i + 1) * n; t++) v[t] = -v[t]!
    for (let t = i * m; t < (i + 1) * m; t++) u[t] = -u[t]!
  }
}
