/** SGD in plans. */
import { optimizerFacts, type SgdConfig } from "../../../schemas/index.ts"
import { nothingShared, type Optimizer, perFactor } from "../optimizer.ts"

/** SGD with momentum. */
export const sgdOptimizer: Optimizer<SgdConfig> = {
  ...optimizerFacts.sgd,
  load: () => import("./parts.ts"),
  shared: () => nothingShared,
  state: ({ momentum }) => {
    const velocity = momentum > 0 ? 1 : 0
    return { pair: perFactor(velocity), perDense: velocity }
  },
  moments: null,
  compared: {}
}
