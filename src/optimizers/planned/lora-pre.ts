/** LoRA-Pre as a plan names it. What it becomes: `../parts/lora-pre.ts`. */
import { type LoraPreConfig, optimizerFacts } from "../../../schemas/index.ts"
import { matrixState } from "../compressed-moments.ts"
import { nothingShared, type Optimizer } from "../optimizer.ts"

export const loraPreOptimizer: Optimizer<LoraPreConfig> = {
  ...optimizerFacts["lora-pre"],
  load: () => import("../parts/lora-pre.ts"),
  shared: () => nothingShared,
  state: ({ rank }) => ({
    pair: (shape) => matrixState(rank, shape.rank, shape.in) + matrixState(rank, shape.out, shape.rank),
    perDense: 2,
    matrix: (shape) => matrixState(rank, shape.out, shape.in)
  }),
  moments: ({ betas, epsilon }) => ({ betas, epsilon }),
  compared: {
    "full-lora-pre": {
      label: "Full fine-tuning (LoRA-Pre)",
      on: "full",
      learningRates: [3e-5, 1e-4, 2e-4, 4e-4],
      section: (shared, moments, own) => ({
        kind: "lora-pre",
        ...(own === undefined ? {} : { rank: own.rank }),
        ...shared,
        ...moments
      })
    }
  }
}
