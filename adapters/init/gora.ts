/**
 * GoRA (He et al. 2025, arXiv 2502.12171): ranks by how much a layer's weights matter, A random, and BA one step along the gradient as
 * far as the rows of A allow it.
 *
 *   G     the loss's gradient at W over the first batches, f = in + out, ρ the site's rank by the plan
 *   I     mean |W ∘ G|, its importance, and p = I/ΣI
 *   r     ⌊round(S·p)/√f⌋ with S = Σ √f·ρ the budget, between minRank (ρ/2 unless given) and maxRank (4ρ)
 *   A     uniform in ±1/√in        B = −γ√(in/r)/s · GAᵀ(AAᵀ + 1e-8·I)⁻¹
 *
 * s·BA = −γ√(in/r)·G·Pᴬ with Pᴬ the projection on the rows of A, which keeps about √(r/in) of G: a step of size γ, whatever r and s are.
 * Nothing is subtracted, so the model starts after that step. The gradient is the mean over the batches.
 *
 * As the authors' code has it (`gora.py` @ 4037d4d: importance "union_mean", features by their root as in the paper, `scaling_by_lr`), but for the sign of B,
 * which is the paper's: there the code has a plus, which goes uphill. S does not count what minRank gives beyond it. In the code's scripts s is
 * α/√r with the site's own r (`gora_dynamic_scaling`), and so it is here: α stays as the plan has it when a rank moves, and s follows
 * the rank as `scaling` says. The smallest rank is 1: a site without any has no gradient to judge it by later.
 */
import * as Effect from "effect/Effect"
import type { LoraInit } from "../../schemas/index.ts"
import { initFacts } from "../../schemas/index.ts"
import type { LinearSite } from "../../src/tensors/index.ts"
import type { RankBounds, SiteOptions } from "../adapter.ts"
import type { Calibration } from "./calibration.ts"
import type { Initializer, RankedOptions } from "./initializer.ts"
import { keepingAlpha } from "./scales.ts"

type Gora = Extract<LoraInit, { readonly kind: "gora" }>

const calibrationOf = (config: Gora): Calibration => ({ init: "gora", ...initFacts.gora.calibration(config) })

const bounds = (
  { minRank, maxRank }: Gora,
  { site, options: { rank } }: SiteOptions<Pick<RankedOptions, "rank">>
): RankBounds => ({
  least: minRank ?? Math.max(1, Math.floor(rank / 2)),
  planned: rank,
  most: Math.min(maxRank ?? 4 * rank, site.out, site.in)
})

const cost = ({ out, in: inputs }: LinearSite): number => Math.sqrt(out + inputs)

// loaded where it is asked for, with what decomposes
const parts = Effect.promise(() => import("./gora-parts.ts"))

/** GoRA. */
export const gora: Initializer<Gora> = {
  ...initFacts.gora,
  problem: ({ name, out, in: inputs }, rank, { minRank, maxRank }) => {
    const side = Math.min(out, inputs)
    if (minRank !== undefined && minRank > side) {
      return `init "gora" cannot give ${name} its minRank ${minRank}: W is [${out}, ${inputs}], so at most ${side}`
    }
    if (minRank !== undefined && rank < minRank) {
      return `rank ${rank} at ${name} is a smaller budget than minRank ${minRank} of init "gora" takes; expected at least ${minRank}, or a smaller minRank`
    }
    return maxRank !== undefined && rank > maxRank
      ? `rank ${rank} at ${name} is larger than maxRank ${maxRank} of init "gora"; expected at most ${maxRank}, or a larger maxRank`
      : undefined
  },
  ranks: (config) => ({
    bounds: (one) => bounds(config, one),
    cost,
    rounding: 1 / 2,
    decide: (sites, sourceOf) =>
      Effect.flatMap(parts, ({ movedRanks }) =>
        movedRanks(calibrationOf(config), { sites, cost, bounds: (one) => bounds(config, one) }, sourceOf)
      ),
    withRank: keepingAlpha
  }),
  init: (config, place, source) =>
    Effect.flatMap(parts, ({ stepWithin }) => stepWithin(calibrationOf(config), config.gamma, place, source)),
  compared: { learningRates: [2e-4, 5e-4, 1e-3, 2e-3], scaling: "rank-stabilized" }
}
