/** Riemannian preconditioning in plans. */
import { optimizerFacts, type RiemannianConfig } from "../../../schemas/index.ts"
import { comparedAs, type Optimizer, plannedMoments, twoMoments, whitenedOnce } from "../optimizer.ts"

/** Riemannian preconditioning. */
export const riemannianOptimizer: Optimizer<RiemannianConfig> = {
  ...optimizerFacts.riemannian,
  load: () => import("./parts.ts"),
  shared: () => whitenedOnce,
  state: () => twoMoments,
  moments: plannedMoments,
  compared: {
    riemannian: comparedAs({ kind: "riemannian" }, "Riemannian", [2e-4, 5e-4, 1e-3, 2e-3], ["damping"])
  }
}
