/** Image classification with a Hugging Face model: plans. */

import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { SelectedSite } from "../../../adapters/index.ts"
import type { ImagesPlan } from "../../../schemas/index.ts"
import { openImages } from "../../data/images/index.ts"
import { batchesPerEpoch } from "../../data/index.ts"
import { imageFamilies } from "../../models/vision/index.ts"
import {
  bytesOfWeights,
  FLOAT,
  type MemoryEstimate,
  memoryEstimate,
  ResolveError,
  selectSites,
  type TrainableCounts
} from "../../plan/index.ts"
import {
  type Detecting,
  evaluatedOf,
  fewOfEach,
  heldOutLabelled,
  nothingToEvaluate,
  type Suggesting,
  sizesOf
} from "../../suggest/index.ts"
import type { RunKind, World } from "../contract/index.ts"
import { withCosts } from "../contract/resolved.ts"
import { unusedText } from "../encoder/kind.ts"
import { impossibleBatch, largestActivations } from "../encoder/resolve.ts"
import { choose, headTurns } from "../encoder/suggest.ts"
import { classFacts, classWords, suitedHead, withKnownWeights } from "../rows/classes.ts"
import { HINT_OF_IMAGES, imagesIn, imagesText } from "../rows/images.ts"
import { adoptImages } from "./adopt.ts"
import type { ResolvedImagesPlan } from "./run.ts"
import { type DescribedImages, describeImages, suitableTask, taskOf } from "./task.ts"

/** Resolves a plan over images. Fails with all problems at once. */
const resolveImages = (plan: ImagesPlan, name: string): Effect.Effect<ResolvedImagesPlan, ResolveError, World> =>
  Effect.gen(function* () {
    const open = (section: ImagesPlan["data"]) =>
      Effect.result(openImages(section, plan.seed).pipe(withKnownWeights(plan)))
    const task = taskOf(plan)
    const first = yield* open(plan.data)
    const headed = plan.model.head === undefined ? task.withOwnHead?.(plan.model) : undefined
    const foundLabels = Result.isSuccess(first) ? first.success.labels : undefined
    const suited =
      headed === undefined
        ? undefined
        : yield* suitedHead(foundLabels, plan.data.labels !== undefined, task.describe(headed, undefined))
    const data = suited?.labels === undefined ? first : yield* open({ ...plan.data, labels: suited.labels })
    const labels = Result.isSuccess(data) ? data.success.labels : (plan.data.labels ?? task.standIns(plan.model))
    const { labels: _, ...unlabelled } = plan.data
    const filled: ImagesPlan = {
      ...plan,
      model: suited === undefined ? plan.model : { ...plan.model, head: suited.head },
      data: labels === undefined ? unlabelled : { ...unlabelled, labels: [...labels] }
    }
    const model = yield* Effect.result(describeImages(filled))
    const selected = Result.flatMap(model, (described) => selectSites(plan, described))
    if (Result.isFailure(model) || Result.isFailure(selected) || Result.isFailure(data)) {
      // a model that cannot be described would fail twice with the same message
      const failures = [selected, data].flatMap((part: Result.Result<unknown, { readonly message: string }>) =>
        Result.isFailure(part) ? [part.failure.message] : []
      )
      return yield* new ResolveError({ name, problems: failures })
    }
    const { rows } = data.success.splits.train
    const size = Math.min(plan.training.batchSize, rows)
    const impossible = impossibleBatch(model.success, { size, length: model.success.positions }, `${size} images`)
    if (impossible.length > 0) return yield* new ResolveError({ name, problems: impossible })
    const described = {
      base: model.success.folder,
      plan: filled,
      name,
      model: model.success,
      selected: selected.success,
      data: data.success
    }
    return withCosts(described, {
      batches: batchesPerEpoch(rows, plan.training.batchSize),
      memory: (trainable) => estimateMemory(plan, described.model, trainable, described.selected.sites, rows),
      rows: { tokens: described.model.positions, sameRows: plan.data.augment === undefined },
      warnings: [...described.model.notes, ...described.data.warnings]
    })
  })

// batches are prepared in advance, and each is on the device too
const pixelsHeld = 4

/** Estimates memory in bytes. `rows`: number of training rows, an upper bound of the batch size. */
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
  const textTower = model.textTower === undefined ? 0 : textTowerActivations(plan, model.textTower)
  return memoryEstimate(
    plan,
    trainable,
    { all: model.sites, adapted: sites },
    {
      weights: bytesOfWeights(plan.model.weights, model.sites, trainable.frozen),
      activations:
        FLOAT * (pixels + textTower + largestActivations(plan, model, { size, length: model.positions }, "before"))
    }
  )
}

/** Returns the number of activation values of the text tower, which has the same number of sequences in training and evaluation. */
const textTowerActivations = (
  { adapter, training }: ImagesPlan,
  textTower: NonNullable<DescribedImages["textTower"]>
): number =>
  largestActivations(
    { adapter, training: { ...training, evaluateBatchSize: textTower.size } },
    textTower,
    textTower,
    "before"
  )

const suggestImages: Suggesting<ResolvedImagesPlan> = {
  uncut: null,
  heldOut: heldOutLabelled,
  choose({ model, data }, heldOut) {
    const evaluated = evaluatedOf(data.splits, heldOut)
    const rows = data.splits.train.rows - heldOut
    const { positions, hiddenSize } = model
    const choices = choose({
      ...evaluated,
      rows,
      classes: data.labels.length,
      p95: positions,
      median: positions,
      longest: positions,
      positions,
      hiddenSize,
      ...sizesOf(model.sites),
      newHead: model.head.parameters.length > 0,
      words: false
    })
    return {
      // length of texts, which images do not have
      choices: choices.filter(({ path }) => path !== "data.maxLength"),
      cautions: [unmeasured, ...fewOfEach(rows, data.labels.length), ...nothingToEvaluate(evaluated)]
    }
  },
  turns: (choices) => headTurns(choices, null),
  estimate: (plan, { model, trainable, selected, data }) =>
    estimateMemory(plan, model, trainable, selected.sites, data?.splits.train.rows ?? plan.training.batchSize)
}

const unmeasured = "learning rate and steps were measured on texts; LoRA-Pro on image models was not measured"

const detectImages: Detecting = {
  columns: { images: ["image", "label"] },
  takes: ({ modelType }) => typeof modelType === "string" && Object.hasOwn(imageFamilies, modelType),
  needs: "this needs an image model, such as --model hf:google/vit-base-patch16-224-in21k",
  hint: HINT_OF_IMAGES,
  rows: (reading, columns) => imagesIn("images", reading, columns),
  // describing the model reports its problems
  look: (source) =>
    Effect.map(
      Effect.orElseSucceed(suitableTask(source), () => undefined),
      (task) => ({ choices: task === undefined ? [] : [task] })
    )
}

export const images: RunKind<ImagesPlan, ResolvedImagesPlan> = {
  ...classFacts,
  resolve: resolveImages,
  describe: describeImages,
  baseOf: (_, { folder }) => folder,
  labelsOf: ({ labels }) => labels,
  words: {
    model: ({ title, layers, hiddenSize, image }) =>
      `${title} (${layers} layers, ${hiddenSize} wide, images of ${image.width}×${image.height})`,
    modelName: ({ family }) => family,
    untrained: ({ untrained }) => untrained,
    ...classWords,
    unit: "images",
    lines: ({ model, data }) => ({ weights: unusedText(model), images: imagesText(data.images) }),
    json: ({ model: { family, folder, labels, unusedTensors, image }, data }) => ({
      model: { family, folder, labels, unusedTensors, image },
      images: data.images
    })
  },
  suggesting: suggestImages,
  detecting: detectImages,
  adopting: adoptImages,
  next: (_, run) => `predict ${run} photo.jpg`,
  runner: () => import("./run.ts").then(({ runImages }) => runImages),
  publisher: () => import("./publish.ts").then(({ publishImages }) => publishImages)
}
