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
import type { ArraysPlan, CausalPlan, ClassificationPlan, RunPlan } from "../../schemas/index.ts"
import type { CausalDescription } from "../models/causal/index.ts"
import type { DescribedLayers, ModelDescription } from "../models/index.ts"
import { packedBytes } from "../numbers/index.ts"
import type { LinearSite } from "../tensors/index.ts"
import { PASS_BYTES } from "../training/diagnostics/look.ts"

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

/** Tokens that a text has at most when it reaches the model. */
export const longestBatch = (plan: ClassificationPlan, model: ModelDescription): number =>
  Math.min(plan.data.maxLength, model.maxLength)

const FLOAT = 4
/** A process with tfjs, Effect and a tokenizer. */
const RUNTIME = 220e6

const bytesOfWeight = (form: ClassificationPlan["model"]["weights"], { out, in: inputs }: LinearSite): number =>
  form === "f32" ? FLOAT * out * inputs : packedBytes(form, [out, inputs])

/** `rows`: of the training split; no batch has more. */
export const estimateMemory = (
  plan: ClassificationPlan,
  model: ModelDescription,
  trainable: Omit<TrainableCounts, "total">,
  rows: number
): MemoryEstimate => {
  const linear = model.sites.reduce((sum, site) => sum + site.in * site.out, 0)
  const held = model.sites.reduce((sum, site) => sum + bytesOfWeight(plan.model.weights, site), 0)
  const weights = FLOAT * (trainable.frozen - linear) + held
  return estimated(plan, trainable, linear, weights, FLOAT * largestActivations(plan, model, rows))
}

/**
 * Of a `tf.LayersModel`: every layer's output is kept for the backward pass, with a gradient of the same size at a time; patches of
 * convolutions are made piece by piece. The user's own model is there beside the frozen one.
 */
export const estimateLayersMemory = (
  plan: ArraysPlan,
  model: DescribedLayers,
  trainable: Omit<TrainableCounts, "total">
): MemoryEstimate => {
  const linear = model.sites.reduce((sum, site) => sum + site.in * site.out, 0)
  const { batchSize, evaluateBatchSize } = plan.training
  const activations = FLOAT * model.activations * Math.max(2 * batchSize, evaluateBatchSize)
  return estimated(plan, trainable, linear, 2 * FLOAT * trainable.frozen, activations)
}

/**
 * Of a decoder, a batch whose rows are all `data.maxLength` long: for each layer its input, two norms, q, k and v (turned as well),
 * attention's output and its rows' statistics, and the gate's and up projections with what SwiGLU saves; behind the layers, of the
 * output layer, logits of a chunk of rows alone.
 */
export const estimateCausalMemory = (
  plan: CausalPlan,
  model: CausalDescription,
  trainable: Omit<TrainableCounts, "total">
): MemoryEstimate => {
  const linear = model.sites.reduce((sum, site) => sum + site.in * site.out, 0)
  const held = model.sites.reduce((sum, site) => sum + bytesOfWeight(plan.model.weights, site), 0)
  const weights = FLOAT * (trainable.frozen - linear) + held
  const { hiddenSize, intermediateSize, attentionHeads, keyValueHeads, headDim, layers } = model
  const length = Math.min(plan.data.maxLength, model.maxLength)
  const heads = (2 * attentionHeads + 3 * keyValueHeads) * headDim
  const saved = 5 * hiddenSize + heads + 4 * intermediateSize
  const { batchSize, evaluateBatchSize, recompute } = plan.training
  const kept = recompute === "none" ? layers * saved : layers * hiddenSize + saved
  const rows = Math.max(batchSize * (kept + saved), evaluateBatchSize * 2 * saved)
  const logits = Math.min(LOGITS, Math.max(batchSize, evaluateBatchSize) * length * model.vocabularySize)
  return estimated(plan, trainable, linear, weights, FLOAT * (length * rows + 2 * logits))
}

/** Numbers of the logits that stand at a time (`kernels/linear-cross-entropy.ts`). */
const LOGITS = 2 ** 23

/** `linear`: numbers of all linear weights; `weights`, `activations`: bytes. */
const estimated = (
  plan: RunPlan,
  trainable: Omit<TrainableCounts, "total">,
  linear: number,
  weights: number,
  activations: number
): MemoryEstimate => {
  const { parameters, moments, starts } = trainedState(plan, trainable, linear)
  // gradients, and the parameters after the step; old and new moments exist together, for as long as the update takes
  // and what pairs subtract once more with the factors, as the one pair that a forward pass takes
  const moving = FLOAT * (3 * parameters + 2 * moments + 3 * starts) + ofLook(plan, linear)
  const checkpoint = FLOAT * (parameters + moments + starts)
  const total = RUNTIME + weights + moving + activations + checkpoint
  return { weights, trainable: moving, activations, checkpoint, total }
}

/** Bytes of the full gradients that diagnostics hold at a time, at most. */
const ofLook = ({ training: { accumulate, diagnostics } }: RunPlan, linear: number): number =>
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

/** Numbers. */
const largestActivations = (plan: ClassificationPlan, model: ModelDescription, rows: number): number => {
  const { hiddenSize, intermediateSize, attentionHeads, layers } = model
  const length = longestBatch(plan, model)
  const scores = attentionHeads * length
  // input, q, k, v, attention's output, two normalized sums, the second's input; GELU's derivative and output; attention's weights
  // and DoRA's outputs of linear layers before their rows are scaled; of all layers, whichever are adapted
  const unscaled = plan.adapter.method === "dora" ? 5 * hiddenSize + intermediateSize : 0
  const saved = 8 * hiddenSize + 2 * intermediateSize + scores + unscaled
  const gradients = 3 * hiddenSize + intermediateSize
  // and what only the next layer reads
  const made = 10 * hiddenSize + 3 * intermediateSize + scores + unscaled
  const { evaluateBatchSize, recompute } = plan.training
  const inputs = layers * hiddenSize
  const kept = recompute === "none" ? layers * saved : Math.min(layers * saved, inputs + saved)
  const batchSize = Math.min(plan.training.batchSize, rows)
  return length * Math.max(batchSize * (kept + gradients), evaluateBatchSize * made)
}
