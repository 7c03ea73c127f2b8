/** RefLoRA as a plan names it. What it becomes: `../parts/reflora.ts`. */
import { optimizerFacts, type RefloraConfig } from "../../../schemas/index.ts"
import { type ComparedOptimizer, type Optimizer, twoMoments } from "../optimizer.ts"

const compared = (form: RefloraConfig["form"], label: string): ComparedOptimizer<RefloraConfig> => ({
  label,
  learningRates: [5e-4, 1e-3, 2e-3, 4e-3],
  section: (shared, moments, own) => ({
    kind: "reflora",
    form,
    ...(own?.warmup === undefined ? {} : { warmup: own.warmup }),
    ...(own?.warmupSteps === undefined ? {} : { warmupSteps: own.warmupSteps }),
    ...(own === undefined ? {} : { damping: own.damping }),
    ...shared,
    ...moments
  })
})

export const refloraOptimizer: Optimizer<RefloraConfig> = {
  ...optimizerFacts.reflora,
  load: () => import("../parts/reflora.ts"),
  shared: ({ form }) => ({ moves: false, whitenings: form === "full" ? 2 : 0 }),
  state: () => twoMoments,
  moments: ({ betas, epsilon }) => ({ betas, epsilon }),
  compared: { reflora: compared("full", "RefLoRA"), "reflora-scalar": compared("scalar", "RefLoRA-S") }
}
