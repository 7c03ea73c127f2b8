/**
 * How much memory a run will need, from shapes alone: what is in float32 for the whole run, and what one step adds.
 *
 *   weights       the frozen base; of linear layers as `model.weights` holds them, which their products read as they lie
 *   trainable     parameters, their gradients, the next parameters, the optimizer's moments, old and new, and what the adapter has frozen
 *   activations   of a training batch, what the backward pass wants of all layers and the gradients within one; with
 *                 `training.recompute: "blocks"` every layer's input, and the rest of one layer at a time. Of an evaluation batch
 *                 everything that one layer makes. The larger of the two
 *   kept          what frozen blocks make of rows that come again, where the plan keeps it
 *   checkpoint    the trained state once more, read for its file and not yet collected
 *
 * An estimate for choosing a batch size, not a bound: it takes texts to fill `data.maxLength`, where shorter ones need less.
 * `bench/memory.bench.ts` measures it: within 15 % on plans of that kind.
 */
import { adapterSize, fullest, methodOf, type SelectedSite } from "../../adapters/index.ts"
import type { RunPlan } from "../../schemas/index.ts"
import { packedBytes, TABLES } from "../numbers/index.ts"
import { optimizerOf, type StateSize } from "../optimizers/index.ts"
import type { LinearSite } from "../tensors/index.ts"
import { PASS_BYTES } from "../training/index.ts"

export interface TrainableCounts {
  /** numbers in A and B */
  readonly factors: number
  /** numbers trained themselves: head, modules to save, targets of full fine-tuning */
  readonly dense: number
  /** numbers of both */
  readonly total: number
  /** numbers in the frozen base */
  readonly frozen: number
}

export interface MemoryEstimate {
  /** bytes */
  readonly weights: number
  /** bytes that a step takes for what is trained: parameters, gradients, the optimizer's state, a probe's full gradients */
  readonly trainable: number
  /** bytes: what the forward pass keeps for the backward pass */
  readonly activations: number
  /** bytes of a checkpoint while it is written: parameters, the optimizer's state, what is frozen of the adapter */
  readonly checkpoint: number
  /** of rows under the lowest adapted block (`prefix.ts`); 0 unless the plan keeps them */
  readonly kept: number
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

type Sizes = Pick<LinearSite, "out" | "in">

/** Of a frozen base with `frozen` numbers, whose linear layers are held as `form` and `tables` as tables are then. */
export const bytesOfWeights = (
  form: WeightForm,
  sites: ReadonlyArray<LinearSite>,
  frozen: number,
  tables: ReadonlyArray<Sizes> = []
): number => {
  const saved = (matrices: ReadonlyArray<Sizes>, packing: Exclude<WeightForm, "f32"> | null) =>
    packing === null
      ? 0
      : matrices.reduce(
          (sum, { out, in: inputs }) => sum + FLOAT * out * inputs - packedBytes(packing, [out, inputs]),
          0
        )
  if (form === "f32") return FLOAT * frozen
  return FLOAT * frozen - saved(sites, form) - saved(tables, TABLES[form])
}

/** Every linear layer of a model, and those that are adapted. */
interface LinearLayers {
  readonly all: ReadonlyArray<LinearSite>
  readonly adapted: ReadonlyArray<SelectedSite<object>>
}

/** A factor pair of an adapted layer, by its shape. */
export interface PairOfSite {
  readonly site: Pick<LinearSite, "in" | "out">
  readonly rank: number
}

/** The factor pairs of adapted layers, in their order. */
export const pairsOf = (
  method: ReturnType<typeof methodOf>,
  adapted: ReadonlyArray<SelectedSite<object>>
): ReadonlyArray<PairOfSite> =>
  adapted.flatMap(({ site, options }) => {
    const { factors } = method.size(site, options)
    return factors === 0 ? [] : [{ site, rank: factors / (site.in + site.out) }]
  })

/** Numbers of the optimizer's state for what is trained itself: `count` numbers, those of whole weights of the targets among them. */
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

/** Numbers of the optimizer's state: of each factor pair, and of everything else. `dense`: how many numbers are trained themselves. */
export const stateOf = (
  { optimizer }: RunPlan,
  method: ReturnType<typeof methodOf>,
  adapted: ReadonlyArray<SelectedSite<object>>,
  dense: number
): { readonly ofPairs: ReadonlyArray<number>; readonly others: number } => {
  const kept = optimizerOf(optimizer).state(optimizer)
  return {
    ofPairs: pairsOf(method, adapted).map(({ site, rank }) => kept.pair({ rank, in: site.in, out: site.out })),
    others: keptOfDense(method, kept, adapted, dense) + adapterSize(method, adapted).state
  }
}

/** `weights`, `activations`: bytes, which each kind of run computes for its models. */
export const memoryEstimate = (
  plan: RunPlan,
  trainable: Omit<TrainableCounts, "total">,
  { all, adapted: selected }: LinearLayers,
  { weights, activations: ofModel }: Pick<MemoryEstimate, "weights" | "activations">
): MemoryEstimate => {
  const { adapter } = plan
  const linear = numbersIn(all)
  const method = methodOf(adapter)
  const adapted = fullest(method, { sites: selected })
  const { frozen, formed } = adapterSize(method, adapted)
  const activations = ofModel + FLOAT * formed
  const parameters = trainable.factors + trainable.dense
  const { ofPairs, others } = stateOf(plan, method, adapted, trainable.dense)
  const moments = ofPairs.reduce((sum, own) => sum + own, others)
  // gradients, and the parameters after the step; old and new moments exist together, for as long as the update takes;
  // what the adapter has frozen exists twice more, as a forward pass joins it with what is trained
  const moving = FLOAT * (3 * parameters + 2 * moments + 3 * frozen) + ofProbe(plan, linear)
  const checkpoint = FLOAT * (parameters + moments + frozen)
  const total = RUNTIME + weights + moving + activations + checkpoint
  return { weights, trainable: moving, activations, checkpoint, kept: 0, total }
}

/** Bytes of the full gradients that diagnostics hold at a time, at most. */
const ofProbe = ({ training: { accumulate, diagnostics } }: RunPlan, linear: number): number =>
  diagnostics === undefined ? 0 : Math.min(PASS_BYTES, FLOAT * linear) * (accumulate > 1 ? 2 : 1)
