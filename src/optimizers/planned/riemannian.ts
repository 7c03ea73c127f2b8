/** Riemannian preconditioning as a plan names it. What it becomes: `../parts/riemannian.ts`. */
import { optimizerFacts, type RiemannianConfig } from "../../../schemas/index.ts"
import { type Optimizer, twoMoments, whitenedOnce } from "../optimizer.ts"

export const riemannianOptimizer: Optimizer<RiemannianConfig> = {
  ...optimizerFacts.riemannian,
  load: () => import("../parts/riemannian.ts"),
  shared: () => whitenedOnce,
  state: () => twoMoments,
  moments: ({ betas, epsilon }) => ({ betas, epsilon }),
  compared: {
    riemannian: {
      label: "Riemannian",
      learningRates: [2e-4, 5e-4, 1e-3, 2e-3],
      section: (shared, moments, own) => ({
        kind: "riemannian",
        ...(own === undefined ? {} : { damping: own.damping }),
        ...shared,
        ...moments
      })
    }
  }
}
