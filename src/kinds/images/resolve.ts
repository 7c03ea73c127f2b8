/** A plan over images before its weights are read: their headers, every image's, the memory it takes. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { SelectedSite } from "../../../adapters/index.ts"
import type { ImagesPlan } from "../../../schemas/index.ts"
import { type ImageClasses, openImages } from "../../data/images/index.ts"
import { batchesPerEpoch } from "../../data/index.ts"
import {
  bytesOfWeights,
  countTrainable,
  FLOAT,
  type MemoryEstimate,
  machineMemory,
  memoryEstimate,
  memoryWarnings,
  plannedPrefix,
  type ResolvedPlan,
  ResolveError,
  selectSites,
  stepsOf,
  type TrainableCounts,
  withPrefix
} from "../../plan/index.ts"
import type { World } from "../contract/index.ts"
import { impossibleBatch, largestActivations } from "../encoder/resolve.ts"
import { withKnownWeights } from "../rows/classes.ts"
import { type DescribedImages, describeImages, taskOf } from "./task.ts"

export interface ResolvedImagesPlan extends ResolvedPlan<ImagesPlan, DescribedImages, ImageClasses> {}

/** All problems come back together. */
export const resolveImages = (plan: ImagesPlan, name: string): Effect.Effect<ResolvedImagesPlan, ResolveError, World> =>
  Effect.gen(function* () {
    const data = yield* Effect.result(openImages(plan.data, plan.seed).pipe(withKnownWeights(plan)))
    const labels = Result.isSuccess(data)
      ? data.success.labels
      : (plan.data.labels ?? taskOf(plan).standIns(plan.model.task))
    const { labels: _, ...unlabelled } = plan.data
    const filled: ImagesPlan = {
      ...plan,
      data: labels === undefined ? unlabelled : { ...unlabelled, labels: [...labels] }
    }
    const model = yield* Effect.result(describeImages(filled))
    const selected = Result.flatMap(model, (described) => selectSites(plan, described))
    if (Result.isFailure(model) || Result.isFailure(selected) || Result.isFailure(data)) {
      // a model that cannot be described fails twice with the same words
      const failures = [selected, data].flatMap((part: Result.Result<unknown, { readonly message: string }>) =>
        Result.isFailure(part) ? [part.failure.message] : []
      )
      return yield* new ResolveError({ name, problems: failures })
    }
    const { rows } = data.success.splits.train
    const size = Math.min(plan.training.batchSize, rows)
    const impossible = impossibleBatch(model.success, { size, length: model.success.positions }, `${size} images`)
    if (impossible.length > 0) return yield* new ResolveError({ name, problems: impossible })
    const trainable = countTrainable(plan, model.success, selected.success)
    const machine = machineMemory()
    const known = {
      base: model.success.folder,
      plan: filled,
      name,
      model: model.success,
      selected: selected.success,
      data: data.success,
      steps: stepsOf(plan, batchesPerEpoch(rows, plan.training.batchSize)),
      trainable,
      memory: estimateMemory(plan, model.success, trainable, selected.success.sites, rows)
    }
    const sameRows = plan.data.augment === undefined
    const prefix = plannedPrefix(known, { tokens: model.success.positions, sameRows, machine })
    const memory = withPrefix(known.memory, prefix)
    const warnings = [...model.success.notes, ...data.success.warnings, ...memoryWarnings(memory, machine, plan)]
    return { ...known, prefix, memory, warnings }
  })

// batches are made ready ahead, and each is on the device too
const pixelsHeld = 4

/** `rows`: of the training split; no batch has more. */
export const estimateMemory = (
  plan: ImagesPlan,
  model: DescribedImages,
  trainable: Omit<TrainableCounts, "total">,
  sites: ReadonlyArray<SelectedSite<object>>,
  rows: number
): MemoryEstimate => {
  const size = Math.min(plan.training.batchSize, rows)
  const { height, width } = model.image
  const pixels = pixelsHeld * 3 * height * width * Math.max(size, plan.training.evaluateBatchSize)
  const beside = model.beside === undefined ? 0 : besideActivations(plan, model.beside)
  return memoryEstimate(
    plan,
    trainable,
    { all: model.sites, adapted: sites },
    {
      weights: bytesOfWeights(plan.model.weights, model.sites, trainable.frozen),
      activations: FLOAT * (pixels + beside + largestActivations(plan, model, { size, length: model.positions }))
    }
  )
}

/** Of sequences that are as many in an evaluation as in training. */
const besideActivations = ({ adapter, training }: ImagesPlan, beside: NonNullable<DescribedImages["beside"]>): number =>
  largestActivations({ adapter, training: { ...training, evaluateBatchSize: beside.size } }, beside, beside)
