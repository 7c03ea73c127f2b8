/** Image classification with a tf.LayersModel: images are resized to the model's input and scaled to the plan's range. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ImageArraysData, ImageArraysPlan } from "../../../../schemas/index.ts"
import {
  augmentationOf,
  type ImageBatch,
  type ImageClasses,
  imageEvaluationBatches,
  imagesOf,
  imageTrainingBatches,
  inputProblem,
  openImages,
  openPreparing,
  type Preparing,
  pixelsIn,
  readyImages
} from "../../../data/images/index.ts"
import { type ArrayBatch, arrayBatchOf } from "../../../data/index.ts"
import type { Processing } from "../../../images/index.ts"
import type { DescribedLayers } from "../../../models/index.ts"
import { choice, type Detecting } from "../../../suggest/index.ts"
import { keepMistakes } from "../../../training/index.ts"
import type { RunKind } from "../../contract/index.ts"
import { HINT_OF_IMAGES, imagesIn, imagesText } from "../../rows/images.ts"
import { askedExamples, askedImage, pictureOf } from "../../rows/pictures.ts"
import { layersKind } from "../kind.ts"
import type { CalledRows } from "../publish.ts"
import type { LayersRows, ResolvedLayersPlan, RowShape } from "../rows.ts"
import { isTopology, rescales, suggestLayers } from "../suggest.ts"

const calledImages: CalledRows = {
  rows: "images",
  row: "image",
  unit: "images",
  shaped: (shape) => `images of ${shape}`,
  task: "image-classification"
}

/** Factor and offset for each range of pixel values. */
const ranges: { readonly [Range in ImageArraysData["range"]]: { readonly scale: number; readonly mean: number } } = {
  "0 to 1": { scale: 1 / 255, mean: 0 },
  "-1 to 1": { scale: 2 / 255, mean: 1 },
  "0 to 255": { scale: 1, mean: 0 }
}

/** Returns the image processing for an input shape without problems (see `problemOfShape`). */
const processingOf = ({ data: { resize, range } }: ImageArraysPlan, shape: RowShape): Processing => {
  const [height, width, channels] = shape as readonly [number, number, 1 | 3]
  const size = { height, width }
  const { scale, mean } = ranges[range]
  return {
    size,
    resize: resize === "stretch" ? size : "cover",
    resampling: "bilinear",
    scale,
    mean: [mean, mean, mean],
    deviation: [1, 1, 1],
    channels
  }
}

const asArrays =
  (shape: RowShape) =>
  ({ pixels, labels, rows }: ImageBatch): ArrayBatch =>
    arrayBatchOf(pixels, shape, labels, rows)

const imageRows: LayersRows<ImageArraysPlan, ImageClasses, Preparing> = {
  problemOfShape: (shape) => {
    const [height = 0, width = 0, channels] = shape
    const fits = shape.length === 3 && height > 0 && width > 0 && (channels === 1 || channels === 3)
    if (fits) return undefined
    const shapeText = shape.map((n: number | null) => n ?? "any").join("×")
    return `its input is ${shapeText}; expected height×width×1 or height×width×3, all of them numbers, for images`
  },
  open: (section, seed) => openImages(section, seed),
  ready: (plan, shape) => openPreparing(processingOf(plan, shape)),
  training: (split, { plan, shape, ready }, start) =>
    imageTrainingBatches(split, ready, {
      seed: plan.seed,
      batchSize: plan.training.batchSize,
      start,
      augmentation: augmentationOf(plan.data)
    }).pipe(Stream.map((batch) => ({ ...asArrays(shape)(batch), epoch: batch.epoch, index: batch.index }))),
  evaluation: (split, { plan, shape, ready }, rows) =>
    imageEvaluationBatches(split, ready, { batchSize: plan.training.evaluateBatchSize, rows }).pipe(
      Stream.map(asArrays(shape))
    ),
  asking: { fields: askedImage, examples: askedExamples },
  problemOf: (input, { data }) => inputProblem(input, data),
  pixels: (input, { data }) => pixelsIn(input, data),
  inputRows: (inputs, { data }, folder) => imagesOf(inputs, data, folder),
  read: (images, { shape, ready }, apart) => Effect.map(readyImages(images, ready, apart), asArrays(shape)),
  keepMistakes: (source, limit) => keepMistakes(source, limit, pictureOf)
}

const FORMAT = "image-arrays"

const rangeCaution =
  "data.range must match the range that the model was trained with, which its file does not contain; if the accuracy before training, which train prints first, is lower than expected, change it"

/** Returns the range in the model's file if plans support it. */
const rangeOf = ({ range = "" }: DescribedLayers) => (Object.hasOwn(ranges, range) ? range : undefined)

const suggestImageArrays = suggestLayers<ImageArraysPlan, ImageClasses>({
  newHead: true,
  stated: (model) => {
    const range = rangeOf(model)
    return range === undefined ? [] : [choice("data.range", range, "the model's file states it")]
  },
  // a model that rescales its input takes bytes
  cautions: ({ range }, model) => (range === "0 to 255" || rangeOf(model) !== undefined ? [] : [rangeCaution])
})

const detectImageArrays: Detecting = {
  columns: { [FORMAT]: ["image", "label"] },
  takes: isTopology,
  needs: "this needs a tf.LayersModel for images, such as --model path/to/model.json",
  hint: HINT_OF_IMAGES,
  rows: (reading, columns, { rescales } = {}) => {
    const bytes = choice("data.range", "0 to 255", "the model has a layer that scales bytes")
    return imagesIn(FORMAT, reading, columns).map((candidate) => ({
      ...candidate,
      choices: [...candidate.choices, ...(rescales === true ? [bytes] : [])]
    }))
  },
  look: (source) => Effect.map(rescales(source), (isRescaling) => ({ rescales: isRescaling }))
}

export const imageArrays: RunKind<ImageArraysPlan, ResolvedLayersPlan<ImageArraysPlan, ImageClasses>> = layersKind({
  rows: imageRows,
  called: calledImages,
  suggesting: suggestImageArrays,
  detecting: detectImageArrays,
  exampleArguments: "photo.jpg",
  images: ({ images }) => ({ text: imagesText(images), json: images })
})
