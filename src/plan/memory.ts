/**
 * How much memory a run will need, from shapes alone: what lies in float32 for the whole run, and what one step adds.
 *
 *   weights       the frozen base; of linear layers as `model.weights` holds them, which their products read as they lie
 *   trainable     parameters, their gradients, the next parameters, and the optimizer's moments
 *   activations   per token and layer some (11·hidden + 4·intermediate + 2·heads·length) numbers: of a training batch all
 *                 layers at once, for the backward pass, or with `training.recompute: "blocks"` every layer's input, and of one
 *                 layer at a time activations and their gradients; of an evaluation batch one layer at a time; the larger of the two
 *
 * An estimate for choosing a batch size, not a bound. It is mostly within 20 % of the peaks that `bench/memory.bench.ts` measures, and too
 * low by up to a third where much is trained (ranks of 64, full fine-tuning of a large base); a process with tfjs, Effect and a
 * tokenizer takes about 250 MB before any of it.
 */
import type { RunPlan } from "../../schemas/index.ts"
import type { ModelDescription } from "../models/index.ts"
import type { LinearSite } from "../tensors/linear.ts"
import { packedBytes } from "../tensors/packed-matrix.ts"

export interface TrainableCounts {
  /** numbers in A and B */
  readonly factors: number
  /** numbers trained themselves: head, modules to save, targets of full fine-tuning */
  readonly dense: number
  readonly total: number
  /** numbers in the frozen base */
  readonly frozen: number
}

export interface MemoryEstimate {
  /** bytes */
  readonly weights: number
  readonly trainable: number
  readonly activations: number
  readonly total: number
}

/** Tokens that a text has at most when it reaches the model. */
export const longestBatch = (plan: RunPlan, model: ModelDescription): number =>
  Math.min(plan.data.maxLength, model.maxLength)

const FLOAT = 4
const RUNTIME = 250e6

const bytesOfWeight = (form: RunPlan["model"]["weights"], { out, in: inputs }: LinearSite): number =>
  form === "f32" ? FLOAT * out * inputs : packedBytes(form, [out, inputs])

/** `rows`: of the training split; no batch has more. */
export const estimateMemory = (
  plan: RunPlan,
  model: ModelDescription,
  trainable: Omit<TrainableCounts, "total">,
  rows: number
): MemoryEstimate => {
  const linear = model.sites.reduce((sum, site) => sum + site.in * site.out, 0)
  const held = model.sites.reduce((sum, site) => sum + bytesOfWeight(plan.model.weights, site), 0)
  const weights = FLOAT * (trainable.frozen - linear) + held
  const { optimizer } = plan
  const adam = optimizer.kind === "sgd" ? (optimizer.momentum > 0 ? 1 : 0) : 2
  // old and new moments exist at the same time, for as long as the update takes
  const copies = 3 + 2 * adam
  const full = optimizer.kind === "lora-pro" && optimizer.form === "full" ? 2 * 2 * linear : 0
  const factors = optimizer.kind === "lora-pro" && optimizer.form !== "efficient" ? 3 : copies
  const moving = FLOAT * (factors * trainable.factors + copies * trainable.dense + full)
  const length = longestBatch(plan, model)
  const perToken = 11 * model.hiddenSize + 4 * model.intermediateSize + 2 * model.attentionHeads * length
  const { evaluateBatchSize, recompute } = plan.training
  const batchSize = Math.min(plan.training.batchSize, rows)
  const all = model.layers * perToken
  const perTrainedToken = recompute === "none" ? all : Math.min(all, model.layers * model.hiddenSize + 2 * perToken)
  const activations = FLOAT * length * Math.max(batchSize * perTrainedToken, evaluateBatchSize * perToken)
  return { weights, trainable: moving, activations, total: RUNTIME + weights + moving + activations }
}
