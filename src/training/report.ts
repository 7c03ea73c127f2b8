/** What a step and an evaluation report: plain numbers, one line each of `metrics.jsonl`. */

/** Median over the adapted sites, and the site that is worst off. */
export interface SiteSummary {
  readonly median: number
  readonly worst: number
  readonly worstSite: string
}

/** LoRA-Pro's own health; for other optimizers the relative updates alone. */
export interface Health {
  /** λ_min(BᵀB)/δ; worst = smallest */
  readonly conditioning?: SiteSummary
  /** ‖ΔA‖/‖A‖; worst = largest */
  readonly relativeUpdateA?: SiteSummary
  /** ‖ΔB‖/‖B‖ after the step; worst = largest */
  readonly relativeUpdateB?: SiteSummary
}

export interface StepReport {
  readonly kind: "step"
  /** counted from 1 */
  readonly step: number
  /** mean over the rows of the step, before the update */
  readonly loss: number
  readonly learningRate: number | null
  /** global norm of the raw gradients, before clipping and adjustment */
  readonly gradNorm: number
  readonly rows: number
  /** tokens that are not padding */
  readonly tokens: number
  readonly tokensPerSecond: number
  readonly milliseconds: number
  readonly health: Health
}

export const summarize = (
  values: ReadonlyArray<number>,
  sites: ReadonlyArray<string>,
  worst: "smallest" | "largest"
): SiteSummary | undefined => {
  if (values.length === 0) return undefined
  const order = values.map((_, i) => i).sort((a, b) => values[a]! - values[b]!)
  const middle = order.length >> 1
  const upper = values[order[middle]!]!
  const median = order.length % 2 === 1 ? upper : (values[order[middle - 1]!]! + upper) / 2
  const index = worst === "smallest" ? order[0]! : order.at(-1)!
  return { median, worst: values[index]!, worstSite: sites[index]! }
}
