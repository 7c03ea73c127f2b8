/**
 * How much memory a run will need, from shapes alone: what lies in float32 for the whole run, and what one step adds.
 *
 *   weights       the frozen base; of linear layers as `model.weights` holds them, which their products read as they lie
 *   trainable     parameters, their gradients, the next parameters, the optimizer's moments, old and new, and what factor pairs subtract
 *   activations   of a training batch, what the backward pass wants of all layers and the gradients within one; with
 *                 `training.recompute: "blocks"` every layer's input, and the rest of one layer at a time. Of an evaluation batch
 *                 everything that one layer makes. The larger of the two
 *   checkpoint    the trained state once more, read for its file and not yet collected
 *
 * An estimate for choosing a batch size, not a bound: it takes texts to fill `data.maxLength`, where shorter ones need less.
 * `bench/memory.bench.ts` measures it: within 15 % on plans of that kind.
 */
import { isSubtracted } from "../../adapters/index.ts"
import type { RunPlan } from "../../schemas/index.ts"
import { packedBytes } from "../numbers/index.ts"
import type { LinearSite } from "../tensors/index.ts"
import { PASS_BYTES } from "../training/diagnostics/probe.ts"

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
  readonly checkpoint: number
  /** with the process's own */
  readonly total: number
}

export const FLOAT = 4
/** A process with tfjs, Effect and a tokenizer. */
const RUNTIME = 220e6

/** How linear layers are held. */
type WeightForm = "f32" | Parameters<typeof packedBytes>[0]

/** Numbers in linear weights. */
export const numbersIn = (sites: ReadonlyArray<LinearSite>): number =>
  sites.reduce((sum, site) => sum + site.in * site.out, 0)

/** Of a frozen base with `frozen` numbers, whose linear layers are held as `form`. */
export const bytesOfWeights = (form: WeightForm, sites: ReadonlyArray<LinearSite>, frozen: number): number => {
  const held = sites.reduce(
    (sum, { out, in: inputs }) => sum + (form === "f32" ? FLOAT * out * inputs : packedBytes(form, [out, inputs])),
    0
  )
  return FLOAT * (frozen - numbersIn(sites)) + held
}

/** `sites`: every linear layer; `weights`, `activations`: bytes, which each kind of run works out for its models. */
export const memoryEstimate = (
  plan: RunPlan,
  trainable: Omit<TrainableCounts, "total">,
  sites: ReadonlyArray<LinearSite>,
  { weights, activations }: Pick<MemoryEstimate, "weights" | "activations">
): MemoryEstimate => {
  const linear = numbersIn(sites)
  const { parameters, moments, starts } = trainedState(plan, trainable, linear)
  // gradients, and the parameters after the step; old and new moments exist together, for as long as the update takes
  // and what pairs subtract once more with the factors, as the one pair that a forward pass takes
  const moving = FLOAT * (3 * parameters + 2 * moments + 3 * starts) + ofProbe(plan, linear)
  const checkpoint = FLOAT * (parameters + moments + starts)
  const total = RUNTIME + weights + moving + activations + checkpoint
  return { weights, trainable: moving, activations, checkpoint, total }
}

/** Bytes of the full gradients that diagnostics hold at a time, at most. */
const ofProbe = ({ training: { accumulate, diagnostics } }: RunPlan, linear: number): number =>
  diagnostics === undefined ? 0 : Math.min(PASS_BYTES, FLOAT * linear) * (accumulate > 1 ? 2 : 1)

/** Numbers; `linear`: of all linear weights, for whose every entry LoRA-Pro's full form has moments. */
const trainedState = (
  { adapter, optimizer }: RunPlan,
  { factors, dense }: Omit<TrainableCounts, "total">,
  linear: number
) => {
  const perDense = optimizer.kind === "sgd" ? (optimizer.momentum > 0 ? 1 : 0) : 2
  const form = optimizer.kind === "lora-pro" ? optimizer.form : undefined
  const ofFactors = form === "full" ? 2 * linear : form === "sgd" ? 0 : perDense * factors
  // importance and uncertainty of AdaLoRA's triplets, old and new as moments are
  const ofTriplets = adapter.method === "adalora" ? 2 * factors : 0
  const starts = adapter.method === "lora" && isSubtracted(adapter.init) ? factors : 0
  return { parameters: factors + dense, moments: perDense * dense + ofFactors + ofTriplets, starts }
}
