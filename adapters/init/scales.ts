/** What becomes of a site's α when its rank moves. */
import type { RankedOptions } from "./initializer.ts"

/** α moves with the rank so that s stays what the plan gives: PEFT's `adjust_scaling_factors`, for α/√r as well. */
export const keepingScale = <Own extends RankedOptions>(options: Own, rank: number): Own => {
  const ratio = rank / options.rank
  return { ...options, rank, alpha: options.alpha * (options.scaling === "standard" ? ratio : Math.sqrt(ratio)) }
}

/** α stays, and s is that of the site's own rank. */
export const keepingAlpha = <Own extends RankedOptions>(options: Own, rank: number): Own => ({ ...options, rank })
