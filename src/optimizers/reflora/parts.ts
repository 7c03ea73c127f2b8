/** Transforms of RefLoRA's section. */
import type { RefloraConfig } from "../../../schemas/index.ts"
import { adamOptions, adamwParts } from "../adamw/transform.ts"
import type { Parts } from "../optimizer.ts"
import { chain } from "../transform.ts"
import { refLora, refLoraScalar } from "./transform.ts"

/** The authors' 100 steps, or a tenth of a shorter run, and at least one: S is singular where B = 0. */
const warmupOf = ({ warmup, warmupSteps }: RefloraConfig, steps: number): number =>
  warmupSteps ??
  (warmup === undefined ? Math.min(100, Math.max(1, Math.round(steps / 10))) : Math.round(steps * warmup))

export const parts: Parts<RefloraConfig> = (config, rates, steps) => {
  const { dense, head } = adamwParts(config, rates)
  const warmup = warmupOf(config, steps)
  const { damping, weightDecay } = config
  if (config.form === "full") return { body: chain(refLora({ warmup, damping }), dense), head }
  return { body: refLoraScalar({ ...adamOptions(config), learningRate: rates.body, weightDecay, warmup }), head }
}
