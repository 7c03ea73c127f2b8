/**
 * Optimizers as values, and the one place where a plan's `optimizer` section becomes a chain of them.
 *
 *   sgd                  trace → decay → −η
 *   adamw                scaleByAdam → decay → −η
 *   lora-plus            scaleByAdam → decay → ratio of B → −η
 *   riemannian           riemannian → scaleByAdam → decay → −η
 *   lora-pro efficient   loraPro → scaleByAdam → decay → −η     (moments "invariant": scaleByInvariantAdam)
 *   lora-pro full        loraPro({ inner: scaleByAdam }) → −η → product decay
 *   lora-pro sgd         loraPro → decay → −η              (dense tensors: AdamW)
 *
 * each behind `clipByGlobalNorm` where asked for, over all trainables together. Heads have the same schedule with a peak
 * of their own, and plain AdamW under everything but sgd.
 */
import type { LoraProConfig, OptimizerConfig, ScheduleConfig } from "../../schemas/optimizer.ts"
import { type AdamOptions, scaleByAdam } from "./adam.ts"
import { clipByGlobalNorm } from "./clip.ts"
import { addDecayedWeights, addProductDecay } from "./decay.ts"
import { scaleByInvariantAdam } from "./invariant-adam.ts"
import { loraPlus } from "./lora-plus.ts"
import { loraPro } from "./lora-pro.ts"
import { partition } from "./partition.ts"
import { riemannian } from "./riemannian.ts"
import { scaleByLearningRate } from "./scale.ts"
import { constant, cosine, linear, type Schedule } from "./schedule.ts"
import { trace } from "./trace.ts"
import { chain, type Transform } from "./transform.ts"

export { mapTensors, type Trainable, tensorsOf, withTensors } from "../tensors/trainable.ts"
export { type AdamOptions, type AdamState, type AdamTransform, scaleByAdam } from "./adam.ts"
export { type ClipState, clipByGlobalNorm, globalNorm } from "./clip.ts"
export { addDecayedWeights, addProductDecay } from "./decay.ts"
export { type InvariantAdamState, scaleByInvariantAdam } from "./invariant-adam.ts"
export { type LoraPlusOptions, loraPlus, scaleB } from "./lora-plus.ts"
export { type LoraProOptions, loraPro, type XChoice } from "./lora-pro.ts"
export { type PartitionOptions, partition } from "./partition.ts"
export {
  allocateRanks,
  budgetAt,
  budgetSteps,
  type RankAllocationOptions,
  type RankAllocationState,
  type RankBudget,
  type RankedSite
} from "./rank-allocation.ts"
export { type RiemannianOptions, riemannian } from "./riemannian.ts"
export { scaleByLearningRate } from "./scale.ts"
export { constant, cosine, linear, type Schedule, type ScheduleOptions } from "./schedule.ts"
export { type TraceOptions, trace } from "./trace.ts"
export { type Conditioning, chain, type State, type Transform } from "./transform.ts"

export interface AdamWOptions extends AdamOptions {
  readonly learningRate: Schedule | number
  /** λ; default 0 */
  readonly weightDecay?: number
}

/** Adam with decoupled weight decay, as torch.optim.AdamW. */
export const adamw = ({ learningRate, weightDecay = 0, ...moments }: AdamWOptions): Transform =>
  chain(scaleByAdam(moments), addDecayedWeights(weightDecay), scaleByLearningRate(learningRate))

export interface SgdOptions {
  readonly learningRate: Schedule | number
  /** μ; default 0 */
  readonly momentum?: number
  /** λ, decoupled; default 0 */
  readonly weightDecay?: number
}

/** Gradient descent with momentum. */
export const sgd = ({ learningRate, momentum = 0, weightDecay = 0 }: SgdOptions): Transform =>
  chain(trace({ decay: momentum }), addDecayedWeights(weightDecay), scaleByLearningRate(learningRate))

const shapes = { constant, linear, cosine } satisfies { [Kind in ScheduleConfig["kind"]]: typeof constant }

/** The plan's schedule over a run of `steps`, with a given peak. A warm-up fraction is rounded to whole steps. */
export const scheduleFromConfig = (config: ScheduleConfig, peak: number, steps: number): Schedule =>
  shapes[config.kind]({ peak, steps, warmup: config.warmupSteps ?? Math.round(steps * (config.warmup ?? 0)) })

const momentsOf = ({ betas, epsilon }: { readonly betas: readonly [number, number]; readonly epsilon: number }) => ({
  b1: betas[0],
  b2: betas[1],
  eps: epsilon
})

/** LoRA-Pro's chain for everything but heads. */
const loraProBody = (config: LoraProConfig, rate: Schedule): Transform => {
  const { form, x, damping, weightDecay } = config
  const moments = momentsOf(config)
  switch (form) {
    case "full": {
      const pro = loraPro({ inner: scaleByAdam(moments), x, damping })
      return chain(pro, scaleByLearningRate(rate), addProductDecay(weightDecay, rate))
    }
    case "efficient":
      return chain(
        loraPro({ x, damping }),
        config.moments === "invariant" ? scaleByInvariantAdam(moments) : scaleByAdam(moments),
        addDecayedWeights(weightDecay),
        scaleByLearningRate(rate)
      )
    case "sgd":
      return chain(loraPro({ x, damping }), addDecayedWeights(weightDecay), scaleByLearningRate(rate))
  }
}

const partsOf = (config: OptimizerConfig, rate: Schedule, headRate: Schedule): Transform => {
  const { weightDecay } = config
  if (config.kind === "sgd") {
    const { momentum } = config
    return partition({
      body: sgd({ learningRate: rate, momentum, weightDecay }),
      head: sgd({ learningRate: headRate, momentum, weightDecay })
    })
  }
  const moments = momentsOf(config)
  const dense = adamw({ ...moments, learningRate: rate, weightDecay })
  const head = adamw({ ...moments, learningRate: headRate, weightDecay })
  switch (config.kind) {
    case "adamw":
      return partition({ body: dense, head })
    case "lora-plus":
      return partition({ body: loraPlus({ ...moments, learningRate: rate, ratio: config.ratio, weightDecay }), head })
    case "riemannian":
      return partition({ body: chain(riemannian({ damping: config.damping }), dense), head })
    case "lora-pro":
      return partition({ body: loraProBody(config, rate), dense, head })
  }
}

/** The optimizer that a plan's section describes, for a run of `steps` steps. Update with gradients of the mean loss. */
export const fromConfig = (config: OptimizerConfig, steps: number): Transform => {
  const { learningRate, headLearningRate = learningRate, schedule, clipNorm } = config
  const parts = partsOf(
    config,
    scheduleFromConfig(schedule, learningRate, steps),
    scheduleFromConfig(schedule, headLearningRate, steps)
  )
  return clipNorm === null ? parts : chain(clipByGlobalNorm(clipNorm), parts)
}
