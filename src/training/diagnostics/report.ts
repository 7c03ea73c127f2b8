/**
 * What a probe of the full gradient is asked, and what it reports: plain numbers, one line of `metrics.jsonl`. `null` where a number is
 * not defined (a condition at B = 0, a cosine with 0) or not known.
 *
 * Names: g = ∂L/∂W [out, in] of the step's batches; g̃ = s(B·dA + dB·A), what the method makes of it; P_T(g), the best
 * that any move of A and B comes to; ΔW = s(B·ΔA + ΔB·A), what the step does to W after moments and learning rate.
 */
import type { LinearSite } from "../../tensors/index.ts"

/** Which layers are probed, and how much memory that may take. */
export interface ProbeOptions {
  /** adapted sites, each with one pair of factors */
  readonly sites: ReadonlyArray<LinearSite>
  /** whether the optimizer's directions should be those of LoRA-Pro's theorem: where they are not, the report warns */
  readonly theorem?: boolean
  /**
   * bytes of g on the device at a time, at least one site's; sites beyond it cost a pass of their own (default 256 MB)
   */
  readonly passBytes?: number
}

/** Of full gradients on the device at a time, unless given. */
export const PASS_BYTES = 256e6

/** How near a direction comes to g. */
export interface Nearness {
  /** ‖g − direction‖/‖g‖ */
  readonly discrepancy: number | null
  /** cos(g, direction) */
  readonly cosine: number | null
}

export interface MethodNearness extends Nearness {
  /** ‖g − c·g̃‖/‖g‖ with the best single factor c: √(1 − cos²), which a learning rate can make up for */
  readonly scaledDiscrepancy: number | null
}

/** Singular values of a factor; 0 where it has not its full rank. */
export interface FactorSpectrum {
  /** σ_min; null where it is not finite */
  readonly smallest: number | null
  /** σ_max; null where it is not finite */
  readonly largest: number | null
  /** σ_max/σ_min; null: without full rank */
  readonly condition: number | null
}

/** LoRA-Pro's theorem compared with the projection: `theorem.ts`. */
export interface TheoremCheck {
  /** ‖g̃ − P_T(g)‖/‖g‖ */
  readonly fromProjection: number | null
  /** the same from the projection with the optimizer's damping: what the implementation has to answer for */
  readonly fromDamped: number | null
  /** the most of it that float32 explains; null: too much here for a judgement */
  readonly tolerance: number | null
}

/** How near a step comes to the gradient g [out, in] of one layer's W. */
export interface SiteDiagnostics {
  /** the layer's name */
  readonly site: string
  /** ‖g‖ */
  readonly gradNorm: number | null
  /** how near the method's move comes to −g */
  readonly method: MethodNearness
  /** the projection; its discrepancy is the share of ‖g‖ outside the tangent space */
  readonly best: Nearness
  /** cos(−g, ΔW) of the step taken */
  readonly stepCosine: number | null
  /** of A's singular values */
  readonly A: FactorSpectrum
  /** of B's singular values */
  readonly B: FactorSpectrum
  /** ‖A‖/‖B‖, the drift of the gauge */
  readonly gauge: number | null
  /**
   * exp of the entropy of the singular values of ΔW = s(BA − start.B·start.A) (Roy & Vetterli 2007): 1 to the rank of
   * ΔW
   */
  readonly effectiveRank: number | null
  /** λ_min(BᵀB)/δ, where the optimizer has a damping */
  readonly conditioning: number | null
  /** where the direction should be LoRA-Pro's */
  readonly theorem?: TheoremCheck
}

/** Of the sites where the number is defined. */
export interface MeanDiagnostics {
  /** over the probed layers: the method's move */
  readonly method: MethodNearness
  /** over the probed layers: the best move of rank r */
  readonly best: Nearness
  /** cos(−g, ΔW) of the step taken */
  readonly stepCosine: number | null
}

/** A probe as metrics.jsonl has it. */
export interface DiagnosticsReport {
  readonly kind: "diagnostics"
  /** the step whose batches it saw, with the parameters before it */
  readonly step: number
  /** over the probed layers */
  readonly mean: MeanDiagnostics
  /** each probed layer */
  readonly sites: ReadonlyArray<SiteDiagnostics>
  /** a sentence for each site where the theorem does not hold as it should */
  readonly warnings: ReadonlyArray<string>
}

/** JSON has no NaN and no infinity. */
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
