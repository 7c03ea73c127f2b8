/** RefLoRA in plans. */
import { optimizerFacts, type RefloraConfig } from "../../../schemas/index.ts"
import { comparedAs, type Optimizer, plannedMoments, twoMoments } from "../optimizer.ts"

const compared = (form: RefloraConfig["form"], label: string) =>
  comparedAs<RefloraConfig>(
    { kind: "reflora", form },
    label,
    [5e-4, 1e-3, 2e-3, 4e-3],
    ["warmup", "warmupSteps", "damping"]
  )

/** RefLoRA, in its full and its scalar form. */
export const refloraOptimizer: Optimizer<RefloraConfig> = {
  ...optimizerFacts.reflora,
  load: () => import("./parts.ts"),
  shared: ({ form }) => ({ moves: false, whitenings: form === "full" ? 2 : 0 }),
  state: () => twoMoments,
  moments: plannedMoments,
  compared: { reflora: compared("full", "RefLoRA"), "reflora-scalar": compared("scalar", "RefLoRA-S") }
}
