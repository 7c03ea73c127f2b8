/** Diagnostics of one layer from its matrices on the host; definitions in `report.ts`, algebra in `tangent.ts`. */
import { dot, symmetricEigen, type ThinQr, thinQr } from "../../linalg/index.ts"
import { type FactorSpectrum, finite, type SiteDiagnostics } from "./report.ts"
import {
  columnsOf,
  coordinatesOf,
  type HostFactors,
  inner,
  type ProjectedGradient,
  rowsOf,
  squaredDistance,
  type TangentSpace
} from "./tangent.ts"
import { damped, theoremTolerance } from "./theorem.ts"

/** Data of a layer at a step. Factors are those before the step. */
export interface SiteSample {
  readonly site: string
  readonly scale: number
  readonly factors: HostFactors
  /** initial factors that the pair subtracts, if any */
  readonly start: HostFactors | undefined
  readonly space: TangentSpace
  /** P_T(g) */
  readonly projected: ProjectedGradient
  /** (dA, dB): the gradients of the factors, or the method's directions before moments */
  readonly direction: HostFactors
  /** (ΔA, ΔB) of the step */
  readonly move: HostFactors
  /** damping δ of the optimizer; null without damping */
  readonly damping: number | null
  /** whether (dA, dB) should be LoRA-Pro's directions */
  readonly theorem: boolean
}

const cosineOf = (product: number, ...squares: ReadonlyArray<number>): number | null => {
  const lengths = squares.reduce((all, square) => all * Math.sqrt(square), 1)
  // above 1 by rounding alone
  return lengths === 0 ? null : finite(Math.max(-1, Math.min(1, product / lengths)))
}

const sine = (cosine: number | null): number | null => (cosine === null ? null : Math.sqrt(1 - cosine * cosine))

export const siteDiagnostics = (sample: SiteSample): SiteDiagnostics => {
  const { factors, start, scale, space, damping } = sample
  const { coordinates, square } = sample.projected
  const rank = factors.A.rows
  const along = (move: HostFactors) => coordinatesOf(space, move, factors.A, scale)
  const [made, moved] = [along(sample.direction), along(sample.move)]
  const [projected, madeSquare] = [inner(coordinates, coordinates), inner(made, made)]
  const cosine = cosineOf(inner(coordinates, made), square, madeSquare)
  const excess = squaredDistance(coordinates, made)
  const outside = Math.max(square - projected, 0)
  const relative = (squared: number) => (square === 0 ? null : finite(Math.sqrt(squared / square)))
  const spectra = { A: factorSpectrum(space.A, rank), B: factorSpectrum(space.B, rank) }
  const stepCosine = cosineOf(-inner(coordinates, moved), square, inner(moved, moved))
  return {
    site: sample.site,
    gradNorm: finite(Math.sqrt(square)),
    method: {
      discrepancy: relative(outside + excess),
      // no factor helps a direction of length 0
      scaledDiscrepancy: madeSquare === 0 && square > 0 ? 1 : sine(cosine),
      cosine
    },
    best: { discrepancy: relative(outside), cosine: cosineOf(projected, square, projected) },
    stepCosine,
    ...spectra,
    gauge: finite(norm(factors.A.values) / norm(factors.B.values)),
    effectiveRank: effectiveRankOf(factors, start),
    conditioning: damping === null ? null : finite(spectra.B.smallest! ** 2 / damping),
    ...(sample.theorem
      ? {
          theorem: {
            fromProjection: relative(excess),
            fromDamped: relative(squaredDistance(damped(space, coordinates, damping ?? 0), made)),
            tolerance: theoremTolerance(spectra, damping ?? 0)
          }
        }
      : {})
  }
}

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

/**
 * Singular values of a factor of rank r at most, on the host in float64: from Grams, whose eigenvalues are λ = σ². Values below 1e-8 of
 * the largest are rounding there; a factor without full rank (by QR, which sees 1e-13) says 0.
 */
const factorSpectrum = ({ R, rank }: ThinQr, r: number): FactorSpectrum => {
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

const norm = (values: ArrayLike<number>): number => {
  const all = Float64Array.from(values)
  return Math.sqrt(dot(all, all))
}

const negated = (columns: ReadonlyArray<Float64Array>) => columns.map((column) => column.map((value) => -value))

/**
 * The effective rank of BA − start.B·start.A: B = Q R and Aᵀ = Q′ R′ leave R R′ᵀ, a small matrix. Null where that is 0,
 * or what rounding leaves of BA minus itself.
 */
const effectiveRankOf = ({ A, B }: HostFactors, start: HostFactors | undefined): number | null => {
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
