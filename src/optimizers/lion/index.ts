/** Lion in plans. */
import { type LionConfig, optimizerFacts } from "../../../schemas/index.ts"
import { nothingShared, type Optimizer, perFactor } from "../optimizer.ts"

/** Lion. */
export const lionOptimizer: Optimizer<LionConfig> = {
  ...optimizerFacts.lion,
  load: () => import("./parts.ts"),
  shared: () => nothingShared,
  state: () => ({ pair: perFactor(1), perDense: 1 }),
  moments: null,
  compared: {
    lion: {
      label: optimizerFacts.lion.label,
      learningRates: [1e-4, 2e-4, 5e-4, 1e-3],
      // Adam's moments are not Lion's
      section: (shared, _, lion) => ({ kind: "lion", ...(lion === undefined ? {} : { betas: lion.betas }), ...shared })
    }
  }
}
