/**
 * The tangent space of W + s·BA at (B, A), and the coordinates of gradients and factor moves in it; on the host, in
 * float64.
 *
 *   T = { B X_A + X_B A }       P_T(g) = P_B g + g P_A − P_B g P_A = Q_B U + V⊥ Q_Aᵀ
 *   U = Q_Bᵀ g [k, in]          V⊥ = (I − P_B) g Q_A [out, l]
 *
 * with Q_B, Q_A orthonormal bases of col(B) and row(A) by thin QR (k, l their ranks; B = 0 gives k = 0). Every element of
 * T has such coordinates, and norms and products in T are those of the coordinates:
 *
 *   s(B X_A + X_B A) = Q_B s(R_B X_A + Q_BᵀX_B A) + s(I − P_B) X_B R_Aᵀ Q_Aᵀ
 *
 * so the distance of a method's g̃ from P_T(g) is computed without subtracting nearly equal matrices
 * [out, in]. Independent of the whitening from which the optimizer computes its directions: uses neither Grams nor
 * damping.
 *
 * Cost: two products of rank r with g, 2·r·out·in multiplications.
 */
import { dot, type ThinQr, thinQr } from "../../linalg/index.ts"

/** A matrix on the host, row-major. */
export interface HostMatrix {
  readonly values: ArrayLike<number>
  readonly rows: number
  readonly columns: number
}

/** A pair of factors, of their moves, or of their gradients: A [r, in], B [out, r]. */
export interface HostFactors {
  readonly A: HostMatrix
  readonly B: HostMatrix
}

/** Coordinates of an element of T. */
export interface Coordinates {
  /** k rows, each [in] */
  readonly left: ReadonlyArray<Float64Array>
  /** l columns, each [out], orthogonal to col(B) */
  readonly right: ReadonlyArray<Float64Array>
}

export interface TangentSpace {
  readonly B: ThinQr
  /** QR of Aᵀ */
  readonly A: ThinQr
}

export const rowsOf = ({ values, rows, columns }: HostMatrix): ReadonlyArray<Float64Array> =>
  Array.from({ length: rows }, (_, i) => Float64Array.from({ length: columns }, (_, j) => values[i * columns + j]!))

export const columnsOf = ({ values, rows, columns }: HostMatrix): ReadonlyArray<Float64Array> =>
  Array.from({ length: columns }, (_, j) => Float64Array.from({ length: rows }, (_, i) => values[i * columns + j]!))

export const tangentSpace = ({ A, B }: HostFactors): TangentSpace => ({
  B: thinQr(columnsOf(B)),
  A: thinQr(rowsOf(A))
})

const addTo = (sum: Float64Array, factor: number, x: Float64Array): void => {
  for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + factor * x[i]!
}

/** Returns Σ_j factors[j]·vectors[j], of at least one vector. */
export const combination = (factors: ArrayLike<number>, vectors: ReadonlyArray<Float64Array>): Float64Array => {
  const sum = new Float64Array(vectors[0]!.length)
  vectors.forEach((vector, j) => {
    addTo(sum, factors[j]!, vector)
  })
  return sum
}

/** Σ_j R[k, j]·vectors[j] for each row k of R. */
const combined = ({ R, rank }: ThinQr, vectors: ReadonlyArray<Float64Array>): ReadonlyArray<Float64Array> =>
  Array.from({ length: rank }, (_, k) => combination(R.subarray(k * vectors.length, (k + 1) * vectors.length), vectors))

/**
 * Takes its part in col(B) out of each of `columns`, in place; returns the coordinates [k][column] of what was taken.
 */
const withoutLeft = ({ B }: TangentSpace, columns: ReadonlyArray<Float64Array>): ReadonlyArray<Float64Array> =>
  B.Q.map((q) =>
    Float64Array.from(columns, (column) => {
      const along = dot(q, column)
      addTo(column, -along, q)
      return along
    })
  )

export interface ProjectedGradient {
  /** coordinates of P_T(g) */
  readonly coordinates: Coordinates
  /** ‖g‖² */
  readonly square: number
}

/** Returns P_T(g) of g [out, in], converting one row at a time to float64. */
export const project = (space: TangentSpace, g: HostMatrix): ProjectedGradient => {
  const left = space.B.Q.map(() => new Float64Array(g.columns))
  const right = space.A.Q.map(() => new Float64Array(g.rows))
  const row = new Float64Array(g.columns)
  let square = 0
  for (let i = 0; i < g.rows; i++) {
    for (let j = 0; j < g.columns; j++) row[j] = g.values[i * g.columns + j]!
    square += dot(row, row)
    for (let k = 0; k < left.length; k++) addTo(left[k]!, space.B.Q[k]![i]!, row)
    for (let l = 0; l < right.length; l++) right[l]![i] = dot(row, space.A.Q[l]!)
  }
  withoutLeft(space, right)
  return { coordinates: { left, right }, square }
}

/** Returns the coordinates of s(B·X_A + X_B·A). */
export const coordinatesOf = (space: TangentSpace, move: HostFactors, A: HostMatrix, scale: number): Coordinates => {
  const XB = columnsOf(move.B)
  const along = withoutLeft(space, XB)
  const left = combined(space.B, rowsOf(move.A))
  const rowsOfA = rowsOf(A)
  left.forEach((row, k) => {
    rowsOfA.forEach((a, j) => {
      addTo(row, along[k]![j]!, a)
    })
  })
  const right = combined(space.A, XB)
  for (const vector of [...left, ...right]) for (let i = 0; i < vector.length; i++) vector[i] = scale * vector[i]!
  return { left, right }
}

/** Returns the Frobenius product of two elements of T. */
export const inner = (x: Coordinates, y: Coordinates): number =>
  x.left.reduce((sum, row, k) => sum + dot(row, y.left[k]!), 0) +
  x.right.reduce((sum, column, l) => sum + dot(column, y.right[l]!), 0)

/** Returns ‖x − y‖². */
export const squaredDistance = (x: Coordinates, y: Coordinates): number => {
  const minus = (a: ReadonlyArray<Float64Array>, b: ReadonlyArray<Float64Array>) =>
    a.map((vector, i) => vector.map((value, j) => value - b[i]![j]!))
  const difference = { left: minus(x.left, y.left), right: minus(x.right, y.right) }
  return inner(difference, difference)
}
