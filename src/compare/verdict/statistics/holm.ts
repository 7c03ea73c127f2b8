/**
 * Several comparisons at once: with eleven of them at 5 %, one is "significant" by chance almost every second time.
 *
 * Holm's procedure (1979, Scand. J. Statist. 6, 65–70) keeps the probability of even one false call at α, whatever the
 * comparisons have to do with each other. In order of p, the k-th of m is tested at α/(m − k + 1), until one does not pass; none after it does.
 */

/** How one comparison came out. */
export interface Tested {
  /** the smallest α at which the procedure calls a difference */
  readonly adjusted: number
  /**
   * The level of the interval that says the same: it leaves out 0 exactly where a difference is called. 1 − α/(m − k + 1) of the step
   * at which the comparison was decided; for those after the first that did not pass, the level of that one.
   */
  readonly level: number
  readonly called: boolean
}

/** `probabilities`: p of each comparison, in any order. The answers are in the same order. */
export const holm = (probabilities: ReadonlyArray<number>, alpha: number): ReadonlyArray<Tested> => {
  const m = probabilities.length
  const order = probabilities.map((_, i) => i).sort((a, b) => probabilities[a]! - probabilities[b]!)
  const tested = new Array<Tested>(m)
  let adjusted = 0
  let passing = true
  let level = 1
  for (const [step, i] of order.entries()) {
    const p = probabilities[i]!
    adjusted = Math.min(1, Math.max(adjusted, (m - step) * p))
    if (passing) {
      level = 1 - alpha / (m - step)
      passing = p < alpha / (m - step)
    }
    tested[i] = { adjusted, level, called: passing }
  }
  return tested
}
