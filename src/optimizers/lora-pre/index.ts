/** LoRA-Pre in plans. */
import { type LoraPreConfig, optimizerFacts } from "../../../schemas/index.ts"
import { comparedAs, nothingShared, type Optimizer, plannedMoments } from "../optimizer.ts"
import { matrixState } from "./compressed.ts"

/** LoRA-Pre. */
export const loraPreOptimizer: Optimizer<LoraPreConfig> = {
  ...optimizerFacts["lora-pre"],
  load: () => import("./parts.ts"),
  shared: () => nothingShared,
  state: ({ rank }) => ({
    pair: (shape) => matrixState(rank, shape.rank, shape.in) + matrixState(rank, shape.out, shape.rank),
    perDense: 2,
    matrix: (shape) => matrixState(rank, shape.out, shape.in)
  }),
  moments: plannedMoments,
  compared: {
    "full-lora-pre": {
      ...comparedAs({ kind: "lora-pre" }, "Full fine-tuning (LoRA-Pre)", [3e-5, 1e-4, 2e-4, 4e-4], ["rank"]),
      on: "full"
    }
  }
}
