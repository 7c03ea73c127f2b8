/**
 * Estimates the memory of a run from shapes: float32 tensors that exist for the whole run, and those that one step adds.
 *
 *   weights       the frozen base; linear layers as in `model.weights`, which their products read in place
 *   trainable     parameters, gradients, next parameters, the optimizer's old and new moments, and frozen parts of the adapter
 *   activations   of a training batch, the tensors that the backward pass needs of all layers and the gradients within one; with
 *                 `training.recompute: "blocks"` every layer's input, and the rest of one layer at a time. Of an evaluation batch
 *                 all tensors of one layer. The larger of the two
 *   kept          outputs of frozen blocks for rows that are read again, if the plan keeps them
 *   checkpoint    another copy of the trained state, read for its file and not yet garbage-collected
 *
 * An estimate for choosing a batch size, not a bound: it assumes that texts fill `data.maxLength`; shorter ones need less.
 * `bench/memory.bench.ts` measures its error: within 15 % on most such plans (`bench/README.md`).
 */
import { adapterSize, fullest, methodOf, type SelectedSite } from "../../adapters/index.ts"
import type { RunPlan } from "../../schemas/index.ts"
import { isPacking, type Packing, packedBytes, TABLES, type WeightForm } from "../numbers/index.ts"
import { optimizerOf, type StateSize } from "../optimizers/index.ts"
import type { LinearSite } from "../tensors/index.ts"
import { PASS_BYTES } from "../training/index.ts"

export interface TrainableCounts {
  /** parameters in A and B */
  readonly factors: number
  /** parameters trained directly: head, modules to save, targets of full fine-tuning */
  readonly dense: number
  /** sum of both */
  readonly total: number
  /** parameters of the frozen base */
  readonly frozen: number
}

export interface MemoryEstimate {
  /** bytes of the frozen base, as devices hold it that map no files */
  readonly weights: number
  /** bytes of `weights` that device native leaves in the mapped file; 0 unless `model.weights` is "file" */
  readonly mapped: number
  /** bytes of trainable state during a step: parameters, gradients, optimizer state, full gradients of a probe */
  readonly trainable: number
  /** bytes that the forward pass keeps for the backward pass */
  readonly activations: number
  /** bytes of a checkpoint while it is written: parameters, optimizer state, frozen parts of the adapter */
  readonly checkpoint: number
  /** bytes of kept outputs of the blocks under the lowest adapted one (`prefix.ts`); 0 unless the plan keeps them */
  readonly kept: number
  /** bytes in total, including the process itself */
  readonly total: number
}

export const FLOAT = 4
/** Bytes of a process with tfjs, Effect and a tokenizer. */
const RUNTIME = 220e6

/** Counts the weights of linear layers. */
export const numbersIn = (sites: ReadonlyArray<LinearSite>): number =>
  sites.reduce((sum, site) => sum + site.in * site.out, 0)

type Sizes = Pick<LinearSite, "out" | "in">

/** Returns the bytes of a frozen base of `frozen` parameters, with linear layers stored as `form` and embedding tables in the format that goes with it. */
export const bytesOfWeights = (
  form: WeightForm,
  sites: ReadonlyArray<LinearSite>,
  frozen: number,
  tables: ReadonlyArray<Sizes> = []
): number => {
  const saved = (matrices: ReadonlyArray<Sizes>, packing: Packing | null) =>
    packing === null
      ? 0
      : matrices.reduce(
          (sum, { out, in: inputs }) => sum + FLOAT * out * inputs - packedBytes(packing, [out, inputs]),
          0
        )
  // a device that does not map files reads them as float32
  if (!isPacking(form)) return FLOAT * frozen
  return FLOAT * frozen - saved(sites, form) - saved(tables, TABLES[form])
}

/** All linear layers of a model, and the adapted ones. */
interface LinearLayers {
  readonly all: ReadonlyArray<LinearSite>
  readonly adapted: ReadonlyArray<SelectedSite<object>>
}

/** The shape of an adapted layer's factor pair. */
export interface PairOfSite {
  readonly site: Pick<LinearSite, "in" | "out">
  readonly rank: number
}

/** Returns the factor pairs of adapted layers, in order. */
export const pairsOf = (
  method: ReturnType<typeof methodOf>,
  adapted: ReadonlyArray<SelectedSite<object>>
): ReadonlyArray<PairOfSite> =>
  adapted.flatMap(({ site, options }) => {
    const { factors } = method.size(site, options)
    return factors === 0 ? [] : [{ site, rank: factors / (site.in + site.out) }]
  })

/** Counts the optimizer state of `count` directly trained parameters, including whole weights of the targets. */
const keptOfDense = (
  method: ReturnType<typeof methodOf>,
  { perDense, matrix = ({ in: inputs, out }) => perDense * inputs * out }: StateSize,
  adapted: ReadonlyArray<SelectedSite<object>>,
  count: number
): number =>
  adapted.reduce((sum, { site }) => {
    const weight = site.in * site.out
    return method.trains === "weights" ? sum + matrix(site) - perDense * weight : sum
  }, perDense * count)

/** Counts the optimizer state: per factor pair, and of everything else. `dense`: number of directly trained parameters. */
export const stateOf = (
  { optimizer }: RunPlan,
  method: ReturnType<typeof methodOf>,
  adapted: ReadonlyArray<SelectedSite<object>>,
  dense: number
): { readonly ofPairs: ReadonlyArray<number>; readonly dense: number } => {
  const stateSize = optimizerOf(optimizer).state(optimizer)
  return {
    ofPairs: pairsOf(method, adapted).map(({ site, rank }) => stateSize.pair({ rank, in: site.in, out: site.out })),
    dense: keptOfDense(method, stateSize, adapted, dense) + adapterSize(method, adapted).state
  }
}

/** Returns the rows of an evaluation batch; 0 for a plan that evaluates nothing. */
export const evaluatedRows = ({ data, training }: Pick<RunPlan, "data" | "training">): number =>
  data.validation === undefined && data.test === undefined ? 0 : training.evaluateBatchSize

/**
 * Estimates the memory of a plan. `weights`, `activations`: bytes, which each kind of run computes for its models. `tables`: embedding tables
 * that are mapped like linear layers.
 */
export const memoryEstimate = (
  plan: RunPlan,
  trainable: Omit<TrainableCounts, "total">,
  { all, adapted: selected }: LinearLayers,
  { weights, activations: ofModel }: Pick<MemoryEstimate, "weights" | "activations">,
  tables: ReadonlyArray<Sizes> = []
): MemoryEstimate => {
  const { adapter, model } = plan
  const linear = numbersIn(all)
  const method = methodOf(adapter)
  const adapted = fullest(method, { sites: selected })
  const { frozen, formed } = adapterSize(method, adapted)
  const activations = ofModel + FLOAT * formed
  const parameters = trainable.factors + trainable.dense
  const { ofPairs, dense } = stateOf(plan, method, adapted, trainable.dense)
  const moments = ofPairs.reduce((sum, pairState) => sum + pairState, dense)
  // gradients, and the parameters after the step; old and new moments exist together during the update;
  // frozen parts of the adapter exist twice more, since a forward pass concatenates them with trained ones
  const moving = FLOAT * (3 * parameters + 2 * moments + 3 * frozen) + ofProbe(plan, linear)
  const checkpoint = FLOAT * (parameters + moments + frozen)
  const total = RUNTIME + weights + moving + activations + checkpoint
  const isMapped = "weights" in model && model.weights === "file" && method.trains !== "weights"
  const mapped = isMapped ? FLOAT * [...all, ...tables].reduce((sum, { out, in: inputs }) => sum + out * inputs, 0) : 0
  return { weights, mapped, trainable: moving, activations, checkpoint, kept: 0, total }
}

/** Returns the maximum bytes of full gradients that diagnostics hold at a time. */
const ofProbe = ({ training: { accumulate, diagnostics } }: RunPlan, linear: number): number =>
  diagnostics === undefined ? 0 : Math.min(PASS_BYTES, FLOAT * linear) * (accumulate > 1 ? 2 : 1)
