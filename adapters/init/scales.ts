/** How a layer's α changes with its rank. */
import type { RankedOptions } from "./initializer.ts"

/** Scales α with the rank to preserve the plan's s: PEFT's `adjust_scaling_factors`, also for α/√r. */
export const keepingScale = <Own extends RankedOptions>(options: Own, rank: number): Own => {
  const ratio = rank / options.rank
  return { ...options, rank, alpha: options.alpha * (options.scaling === "standard" ? ratio : Math.sqrt(ratio)) }
}

/** Keeps α, so that s follows the layer's own rank. */
export const keepingAlpha = <Own extends RankedOptions>(options: Own, rank: number): Own => ({ ...options, rank })
