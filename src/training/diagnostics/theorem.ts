/**
 * LoRA-Pro's Theorem 2.1 (arXiv 2407.18242) as a runtime check: its directions are those of P_T(g), whatever X. With
 * the damping δ of every inverse Gram matrix, they are those of
 *
 *   P_T^δ(g) = P_B^δ g + (I − P_B^δ) g P_A^δ      P_B^δ = B(BᵀB + δI)⁻¹Bᵀ = Q_B V Λ(Λ+δ)⁻¹Vᵀ Q_Bᵀ   with R_B R_Bᵀ = V Λ Vᵀ
 *
 * and likewise P_A^δ: exactly P_T(g) at B = 0, within (δ/(λ_min(BᵀB)+δ) + δ/(λ_min(AAᵀ)+δ))‖g‖ of it elsewhere, which
 * is nothing where λ_min ≫ δ, and may be nearly all of it in the first steps of a slow warm-up.
 *
 * From P_T^δ(g), float32 explains ε(40 + 5κ)·‖g‖ (ε = 2⁻²³, κ² = (λ_max+δ)/(λ_min+δ) of A or B, the larger): a
 * whitening that is wrong by ε and a gradient gA = sBᵀg that is wrong by ε along the smallest direction of B are both
 * magnified κ times. Where that allows more than 1 % of ‖g‖, from κ ≈ 2·10⁴ on, nothing is asserted.
 *
 * The check uses the distance itself, not the difference of two discrepancies: g − P_T(g) is orthogonal to all of
 * T, so the discrepancy grows only with the square of the distance.
 */
import { dot, symmetricEigen, type ThinQr } from "../../linalg/index.ts"
import type { FactorSpectrum, SiteDiagnostics } from "./report.ts"
import { type Coordinates, combination, type TangentSpace } from "./tangent.ts"

const EPSILON = 2 ** -23
const LARGEST_TOLERANCE = 0.01

type Vectors = ReadonlyArray<Float64Array>

/** V Λ(Λ+δ)⁻¹Vᵀ [rank, rank], as its rows: the damped projector in the basis Q. */
const shrinkage = ({ R, rank }: ThinQr, damping: number): Vectors => {
  if (rank === 0) return []
  const n = R.length / rank
  const row = (i: number) => R.subarray(i * n, (i + 1) * n)
  const gram = Float64Array.from({ length: rank * rank }, (_, ij) => dot(row(Math.floor(ij / rank)), row(ij % rank)))
  const { values, vectors } = symmetricEigen(gram, rank)
  const weights = values.map((value) => Math.max(value, 0) / (Math.max(value, 0) + damping) || 0)
  return Array.from({ length: rank }, (_, i) =>
    Float64Array.from({ length: rank }, (__, j) =>
      weights.reduce((sum, share, k) => sum + vectors[i * rank + k]! * share * vectors[j * rank + k]!, 0)
    )
  )
}

const mixed = (rows: Vectors, vectors: Vectors): Vectors => rows.map((row) => combination(row, vectors))

/** Returns P_T^δ(g) from P_T(g). */
export const damped = (space: TangentSpace, { left, right }: Coordinates, damping: number): Coordinates => {
  const [ofB, ofA] = [shrinkage(space.B, damping), shrinkage(space.A, damping)]
  // U Q_A in the shrunk basis, then back: U P_A^δ
  const inRow = left.map((row) => Float64Array.from(space.A.Q, (q) => dot(q, row)))
  const throughA = space.A.rank === 0 ? [] : inRow.map((row) => combination(combination(row, ofA), space.A.Q))
  const outside = left.map((row, k) => row.map((value, i) => value - (throughA[k]?.[i] ?? 0)))
  // S U + (I − S) U P_A^δ = U P_A^δ + S(U − U P_A^δ)
  const product = mixed(ofB, outside)
  return {
    left: product.map((row, k) => row.map((value, i) => value + (throughA[k]?.[i] ?? 0))),
    right: mixed(ofA, right)
  }
}

const dampedCondition = ({ smallest, largest }: FactorSpectrum, damping: number): number => {
  if (largest === 0) return 1
  return Math.sqrt((largest! ** 2 + damping) / (smallest! ** 2 + damping))
}

/** Returns the largest ‖g̃ − P_T^δ(g)‖/‖g‖ that float32 rounding explains; null if that bound is too large to check. */
export const theoremTolerance = ({ A, B }: Pick<SiteDiagnostics, "A" | "B">, damping: number): number | null => {
  const condition = Math.max(dampedCondition(A, damping), dampedCondition(B, damping))
  const tolerance = EPSILON * (40 + 5 * condition)
  return tolerance <= LARGEST_TOLERANCE ? tolerance : null
}

const text = (value: number | null): string => (value === null ? "undefined" : value.toExponential(1))

/** Returns a sentence if the theorem is violated; undefined if it holds or cannot be judged. */
export const theoremWarning = (
  { site, method, best, A, B, theorem }: SiteDiagnostics,
  step: number
): string | undefined => {
  if (theorem === undefined || theorem.tolerance === null) return undefined
  const { fromDamped, fromProjection, tolerance } = theorem
  // null at g = 0, where there is nothing to come near to
  if (fromDamped === null || fromDamped <= tolerance) return undefined
  return [
    `step ${step}, ${site}: LoRA-Pro's equivalent gradient is ${text(fromDamped)} of ‖g‖ from the damped projection, where float32 explains ${text(tolerance)}`,
    `(${text(fromProjection)} from the projection; discrepancy ${method.discrepancy?.toFixed(6)}, best possible ${best.discrepancy?.toFixed(6)}; condition of A ${text(A.condition)}, of B ${text(B.condition)})`
  ].join(" ")
}
