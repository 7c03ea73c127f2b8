/**
 * Options and report of a full-gradient probe: plain numbers, one line of `metrics.jsonl`. `null`: undefined
 * (a condition at B = 0, a cosine with 0) or unknown.
 *
 * Notation: g = ∂L/∂W [out, in] of the step's batches; g̃ = s(B·dA + dB·A), the method's direction; P_T(g), the closest
 * to g that any move of A and B can come; ΔW = s(B·ΔA + ΔB·A), the step's change of W after moments and learning rate.
 */
import type { LinearSite } from "../../tensors/index.ts"

/** Options of a probe: its layers, and its memory limit. */
export interface ProbeOptions {
  /** adapted layers, each with one pair of factors */
  readonly sites: ReadonlyArray<LinearSite>
  /** whether the optimizer's directions should satisfy LoRA-Pro's theorem; the report warns if they do not */
  readonly theorem?: boolean
  /**
   * bytes of g on the device at a time, at least one layer's; further layers need additional passes; default 256 MB
   */
  readonly passBytes?: number
}

/** Default limit of full gradients on the device at a time, in bytes. */
export const PASS_BYTES = 256e6

/** Distance of a direction from g. */
export interface Nearness {
  /** ‖g − direction‖/‖g‖ */
  readonly discrepancy: number | null
  /** cos(g, direction) */
  readonly cosine: number | null
}

export interface MethodNearness extends Nearness {
  /** ‖g − c·g̃‖/‖g‖ with the best factor c: √(1 − cos²), which a learning rate can compensate */
  readonly scaledDiscrepancy: number | null
}

/** Singular values of a factor; 0 if it is rank-deficient. */
export interface FactorSpectrum {
  /** σ_min; null if not finite */
  readonly smallest: number | null
  /** σ_max; null if not finite */
  readonly largest: number | null
  /** σ_max/σ_min; null if rank-deficient */
  readonly condition: number | null
}

/** Check of LoRA-Pro's theorem against the projection: `theorem.ts`. */
export interface TheoremCheck {
  /** ‖g̃ − P_T(g)‖/‖g‖ */
  readonly fromProjection: number | null
  /** distance from the projection with the optimizer's damping: the error of the implementation */
  readonly fromDamped: number | null
  /** largest distance that float32 rounding explains; null: too large for a judgement */
  readonly tolerance: number | null
}

/** How closely a step follows the gradient g [out, in] of one layer's W. */
export interface SiteDiagnostics {
  /** name of the layer */
  readonly site: string
  /** ‖g‖ */
  readonly gradNorm: number | null
  /** distance of the method's direction from g */
  readonly method: MethodNearness
  /** projection of g; its discrepancy is the fraction of ‖g‖ outside the tangent space */
  readonly best: Nearness
  /** cos(−g, ΔW) of the step taken */
  readonly stepCosine: number | null
  /** singular values of A */
  readonly A: FactorSpectrum
  /** singular values of B */
  readonly B: FactorSpectrum
  /** ‖A‖/‖B‖, which drifts with the gauge of the factors */
  readonly gauge: number | null
  /**
   * exp of the entropy of the singular values of ΔW = s(BA − start.B·start.A) (Roy & Vetterli 2007): 1 to the rank of
   * ΔW
   */
  readonly effectiveRank: number | null
  /** λ_min(BᵀB)/δ, if the optimizer has a damping */
  readonly conditioning: number | null
  /** check of LoRA-Pro's theorem, if it should hold */
  readonly theorem?: TheoremCheck
}

/** Means over the layers for which a value is defined. */
export interface MeanDiagnostics {
  /** mean over the probed layers for the method's direction */
  readonly method: MethodNearness
  /** mean over the probed layers for the best direction of rank r */
  readonly best: Nearness
  /** cos(−g, ΔW) of the step taken */
  readonly stepCosine: number | null
}

/** Report of a probe, as in metrics.jsonl. */
export interface DiagnosticsReport {
  readonly kind: "diagnostics"
  /** step whose batches were probed, with the parameters before it */
  readonly step: number
  /** means over the probed layers */
  readonly mean: MeanDiagnostics
  /** the probed layers */
  readonly sites: ReadonlyArray<SiteDiagnostics>
  /** a sentence for each layer that violates the theorem */
  readonly warnings: ReadonlyArray<string>
}

/** Returns a finite number, or null for NaN and infinity, which JSON lacks. */
export const finite = (value: number): number | null => (Number.isFinite(value) ? value : null)

const meanOf = (values: ReadonlyArray<number | null>): number | null => {
  const known = values.filter((value) => value !== null)
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length
}

export const meanDiagnostics = (sites: ReadonlyArray<SiteDiagnostics>): MeanDiagnostics => ({
  method: {
    discrepancy: meanOf(sites.map(({ method }) => method.discrepancy)),
    scaledDiscrepancy: meanOf(sites.map(({ method }) => method.scaledDiscrepancy)),
    cosine: meanOf(sites.map(({ method }) => method.cosine))
  },
  best: {
    discrepancy: meanOf(sites.map(({ best }) => best.discrepancy)),
    cosine: meanOf(sites.map(({ best }) => best.cosine))
  },
  stepCosine: meanOf(sites.map(({ stepCosine }) => stepCosine))
})
