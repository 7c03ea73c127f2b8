/** One site's numbers from its matrices on the host: see `report.ts` for what they are, `tangent.ts` for how. */
import { dot } from "../../linalg/thin-qr.ts"
import { finite, type SiteDiagnostics } from "./report.ts"
import { effectiveRankOf, factorSpectrum } from "./spectrum.ts"
import {
  coordinatesOf,
  type HostFactors,
  type HostMatrix,
  inner,
  type ProjectedGradient,
  squaredDistance,
  type TangentSpace
} from "./tangent.ts"
import { damped, theoremTolerance } from "./theorem.ts"

/** What is known of a site at a step. Factors are those before it. */
export interface SiteSample {
  readonly site: string
  readonly scale: number
  readonly factors: HostFactors
  /** what the pair subtracts, where it does */
  readonly start: HostFactors | undefined
  readonly space: TangentSpace
  /** P_T(g) */
  readonly projected: ProjectedGradient
  /** (dA, dB): the gradients of the factors, or what the method makes of them before moments */
  readonly direction: HostFactors
  /** (ΔA, ΔB) of the step */
  readonly move: HostFactors
  /** δ of the optimizer; null: it has none */
  readonly damping: number | null
  /** whether (dA, dB) should be LoRA-Pro's */
  readonly theorem: boolean
}

const norm = ({ values }: HostMatrix): number => {
  const all = Float64Array.from(values)
  return Math.sqrt(dot(all, all))
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
    gauge: finite(norm(factors.A) / norm(factors.B)),
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
