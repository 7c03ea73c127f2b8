/**
 * Singular values of the factors and of their product, on the host in float64: from Grams, whose eigenvalues are λ =
 * σ². Values below 1e-8 of the largest are rounding there; a factor without full rank (by QR, which sees 1e-13) says 0.
 */
import { symmetricEigen } from "../../linalg/symmetric-eigen.ts"
import { dot, type ThinQr, thinQr } from "../../linalg/thin-qr.ts"
import { type FactorSpectrum, finite } from "./report.ts"
import { columnsOf, type HostFactors, rowsOf } from "./tangent.ts"

/** Ascending singular values of R [rows, columns], row-major: those of the matrix that was decomposed. */
const singularValues = (R: ArrayLike<number>, rows: number, columns: number): ReadonlyArray<number> => {
  const gram = new Float64Array(rows * rows)
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < rows; j++) {
      let sum = 0
      for (let k = 0; k < columns; k++) sum += R[i * columns + k]! * R[j * columns + k]!
      gram[i * rows + j] = sum
    }
  }
  return Array.from(symmetricEigen(gram, rows).values, (value) => Math.sqrt(Math.max(value, 0)))
}

/** Of a factor of rank r at most, by its QR. */
export const factorSpectrum = ({ R, rank }: ThinQr, r: number): FactorSpectrum => {
  const values = singularValues(R, rank, r)
  const largest = values.at(-1) ?? 0
  const smallest = rank === r ? values[0]! : 0
  return {
    smallest: finite(smallest),
    largest: finite(largest),
    condition: smallest > 0 ? finite(largest / smallest) : null
  }
}

/** exp(−Σ pᵢ ln pᵢ) with pᵢ = σᵢ/Σσ (Roy & Vetterli 2007, "The effective rank"). */
const effectiveRank = (values: ReadonlyArray<number>): number | null => {
  const sum = values.reduce((total, value) => total + value, 0)
  const shares = values.map((value) => value / sum).filter((share) => share > 0)
  return finite(Math.exp(-shares.reduce((entropy, share) => entropy + share * Math.log(share), 0)))
}

const norm = (R: Float64Array): number => Math.sqrt(dot(R, R))

const negated = (columns: ReadonlyArray<Float64Array>) => columns.map((column) => column.map((value) => -value))

/**
 * The effective rank of BA − start.B·start.A: B = Q R and Aᵀ = Q′ R′ leave R R′ᵀ, a small matrix. Null where that is 0,
 * or what rounding leaves of BA minus itself.
 */
export const effectiveRankOf = ({ A, B }: HostFactors, start: HostFactors | undefined): number | null => {
  const left = thinQr([...columnsOf(B), ...(start === undefined ? [] : negated(columnsOf(start.B)))])
  const right = thinQr([...rowsOf(A), ...(start === undefined ? [] : rowsOf(start.A))])
  const inner = B.columns + (start?.B.columns ?? 0)
  const core = new Float64Array(left.rank * right.rank)
  for (let i = 0; i < left.rank; i++) {
    for (let j = 0; j < right.rank; j++) {
      let sum = 0
      for (let k = 0; k < inner; k++) sum += left.R[i * inner + k]! * right.R[j * inner + k]!
      core[i * right.rank + j] = sum
    }
  }
  const values = singularValues(core, left.rank, right.rank)
  const rounding = inner * Number.EPSILON * norm(left.R) * norm(right.R)
  return (values.at(-1) ?? 0) > rounding ? effectiveRank(values) : null
}
