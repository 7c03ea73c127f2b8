/**
 * Images with one label each: for a Hugging Face model of images, or for a `tf.LayersModel`.
 *
 *   "model": { "source": "hf:google/vit-base-patch16-224-in21k" }
 *   "model": { "source": "hf:openai/clip-vit-base-patch16", "task": { "kind": "zero-shot", "templates": ["a photo of a {}."] } }
 *   "data": { "format": "images", "train": "photos/train", "validation": "photos/validation" }
 *   "data": { "format": "images", "train": "photos.csv", "image": "file_name", "label": "species", "augment": { "flip": true } }
 *
 *   "model": { "source": "../models/mobilenet/model.json", "head": ["scores"] }
 *   "data": { "format": "image-arrays", "train": "photos", "validation": 0.1, "range": "-1 to 1" }
 */
import * as Schema from "effect/Schema"
import { choice, listOf, share, text, withDefault } from "../fields.ts"
import { head, packedWeights } from "../model.ts"
import { type Rule, rule } from "../problems.ts"
import { LayersModelSection, layersRules } from "./arrays.ts"
import { classes, labelSections } from "./labels.ts"
import {
  column,
  folderSplits,
  formatFitsTheModel,
  noTopology,
  type PlanKind,
  planOf,
  somethingIsAdapted
} from "./plan.ts"

/** Schema of `model.task` for one label per image: a linear head on the image features. */
export const ImageClassificationTask = Schema.Struct({
  kind: Schema.Literal("image-classification").annotate({ description: "One label per image, with a linear head." })
}).annotate({ title: "ImageClassification", description: "What the model is trained to do." })

const templatesExpected = "a list of texts with {} in place of the label"

/** Schema of `model.task` for CLIP without a new head: label weights are text embeddings of prompts. */
export const ZeroShotTask = Schema.Struct({
  kind: Schema.Literal("zero-shot").annotate({
    description:
      "One label per image: the one whose prompts have the text embeddings closest to the image. Trains no new head."
  }),
  templates: listOf(
    1,
    text("a text with {} in place of the label", "A prompt.").check(
      Schema.makeFilter((template) => template.includes("{}"), { expected: "a text with {} in place of the label" })
    ),
    templatesExpected,
    "Prompt templates; the weights of a label are the mean of their text embeddings."
  ).pipe(withDefault(["a photo of a {}."])),
  towers: choice(
    ["vision", "both"],
    "Towers to adapt: only the image tower, with fixed label weights, or the text tower as well."
  ).pipe(withDefault("vision"))
}).annotate({ title: "ZeroShot", description: "What the model is trained to do." })

/** Schema of `model` for a Hugging Face image model. */
export const ImageModelSection = Schema.Struct({
  source: text(
    "a path to a Hugging Face model folder, or hf:owner/name",
    "Folder of the base model (config.json, *.safetensors, preprocessor_config.json), relative to the plan file; or hf:owner/name[@revision], downloaded once."
  ),
  task: Schema.Union([ImageClassificationTask, ZeroShotTask])
    .annotate({ description: "The task: a new head on image features, or CLIP's zero-shot head." })
    .pipe(withDefault({ kind: "image-classification" })),
  head: Schema.optionalKey(head),
  weights: packedWeights
}).annotate({ title: "ImageModel", description: "The image model to adapt, and its task." })
export type ImageModelSection = typeof ImageModelSection.Type

/** Schema of `data.augment`: random changes to training images. */
export const Augment = Schema.Struct({
  flip: Schema.Boolean.annotate({
    expected: "true or false",
    description: "Whether to flip half of the images horizontally."
  }).pipe(withDefault(false)),
  crop: Schema.optionalKey(
    share(
      "Minimum fraction of the image area that a random crop keeps (aspect ratio 3:4 to 4:3). Default: crop as in evaluations."
    )
  )
}).annotate({
  title: "Augment",
  description: "Random changes to training images. They depend only on seed, epoch and row."
})
export type Augment = typeof Augment.Type

const imageRows = {
  ...folderSplits,
  image: column(
    "Column with the path of an image, or its bytes (Parquet files, as in Hugging Face data sets). Ignored if the rows are the files of a folder."
  ).pipe(withDefault("image")),
  folder: Schema.optionalKey(
    text(
      "a path to a folder",
      "Folder of the images; paths in rows are relative to it and must stay inside it. Relative to the plan file. Default: the folder of the file with the rows."
    )
  ),
  augment: Schema.optionalKey(Augment),
  ...classes
}

/** Schema of `data` with `format: "images"`: images for a Hugging Face model, preprocessed according to its preprocessor_config.json. */
export const ImagesData = Schema.Struct({
  format: Schema.Literal("images").annotate({ description: "Images with one label each." }),
  ...imageRows
}).annotate({ title: "Images", description: "Labelled images, and how to batch them." })
export type ImagesData = typeof ImagesData.Type

/** Schema of `data` with `format: "image-arrays"`: images for a LayersModel, resized to its input. */
export const ImageArraysData = Schema.Struct({
  format: Schema.Literal("image-arrays").annotate({ description: "Images with one label each, for a tf.LayersModel." }),
  ...imageRows,
  resize: choice(
    ["stretch", "crop"],
    "How to fit an image to the model's input: stretch it, or crop the center to the input's aspect ratio."
  ).pipe(withDefault("stretch")),
  range: choice(
    ["0 to 1", "-1 to 1", "0 to 255"],
    "Pixel values of black and white that the model was trained with."
  ).pipe(withDefault("0 to 1"))
}).annotate({ title: "Image arrays", description: "Labelled images, and how to batch them." })
export type ImageArraysData = typeof ImageArraysData.Type

/** Schema of plans with `data.format: "images"`. */
export const ImagesPlan = planOf(
  ImageModelSection,
  ImagesData,
  "ImagesPlan",
  "A training run of an image model over labelled images.",
  labelSections
)
export type ImagesPlan = typeof ImagesPlan.Type

/** Schema of plans with `data.format: "image-arrays"`: images for a `tf.LayersModel`. */
export const ImageArraysPlan = planOf(
  LayersModelSection,
  ImageArraysData,
  "ImageArraysPlan",
  "A training run of a tf.LayersModel over labelled images.",
  labelSections
)
export type ImageArraysPlan = typeof ImageArraysPlan.Type

const noHead: Rule<ImagesPlan> = rule("zero-shot-has-no-head", "model.head", ({ model: { task, head } }) =>
  task.kind === "zero-shot" && head !== undefined
    ? `found "${head}" with model.task.kind "zero-shot", whose head is the text tower; leave model.head out`
    : undefined
)

const noTower: Rule<ImagesPlan> = rule("zero-shot-has-no-head", "optimizer.headLearningRate", ({ model, optimizer }) =>
  model.task.kind === "zero-shot" && optimizer.headLearningRate !== undefined
    ? 'found with model.task.kind "zero-shot", which trains no head; leave it out'
    : undefined
)

const ofZeroShot = somethingIsAdapted("a zero-shot model")

const somethingIsTrained: Rule<ImagesPlan> = {
  name: ofZeroShot.name,
  check: (plan) => (plan.model.task.kind === "zero-shot" ? ofZeroShot.check(plan) : [])
}

export const imagesPlans: PlanKind<"images", ImagesPlan, typeof ImagesPlan> = {
  formats: { images: ImagesPlan },
  rules: [
    formatFitsTheModel((source) =>
      noTopology(source) === undefined ? undefined : ', a tf.LayersModel; expected "image-arrays"'
    ),
    noHead,
    noTower,
    somethingIsTrained
  ]
}

export const imageArraysPlans: PlanKind<"image-arrays", ImageArraysPlan, typeof ImageArraysPlan> = {
  formats: { "image-arrays": ImageArraysPlan },
  rules: layersRules
}
