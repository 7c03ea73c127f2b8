/**
 * Thin QR of some vectors on the host, in float64, that says their rank: xⱼ = Σ_k qₖ R[k, j], the q orthonormal.
 *
 * Modified Gram and Schmidt, each vector taken through twice, after which the q are orthonormal to rounding (Giraud, Langou &
 * Rozložník 2005). A vector of which less than 1e-13 is left lies in the span of those before it and gives no q of its own.
 * `householder-qr.ts` is for a full basis whatever the rank.
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

export const dot = (x: ArrayLike<number>, y: ArrayLike<number>): number => {
  let sum = 0
  for (let i = 0; i < x.length; i++) sum += x[i]! * y[i]!
  return sum
}

/** Vectors of equal length; they are left as they are. */
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
