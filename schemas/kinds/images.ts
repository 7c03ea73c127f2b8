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

/** A linear head over what the model makes of an image. */
export const ImageClassificationTask = Schema.Struct({
  kind: Schema.Literal("image-classification").annotate({ description: "One label per image, by a linear head." })
}).annotate({ title: "ImageClassification", description: "What the model is trained to do." })

const templatesExpected = "a list of texts that have {} where the label goes"

/** CLIP's own head: a label's weights are what the text tower makes of prompts with it. */
export const ZeroShotTask = Schema.Struct({
  kind: Schema.Literal("zero-shot").annotate({
    description:
      "One label per image: the one whose prompts the text tower puts nearest to the image. Nothing but the adapter is new."
  }),
  templates: listOf(
    1,
    text("a text with {} where the label goes", "A prompt.").check(
      Schema.makeFilter((template) => template.includes("{}"), { expected: "a text with {} where the label goes" })
    ),
    templatesExpected,
    "Prompts; a label's weights are the mean of what the text tower makes of them."
  ).pipe(withDefault(["a photo of a {}."])),
  towers: choice(
    ["vision", "both"],
    "What is adapted: the tower of images alone, over weights of labels that stay as they are, or that of texts too."
  ).pipe(withDefault("vision"))
}).annotate({ title: "ZeroShot", description: "What the model is trained to do." })

/** Schema of `model` where images are learned by a Hugging Face model. */
export const ImageModelSection = Schema.Struct({
  source: text(
    "a path to a Hugging Face model folder, or hf:owner/name",
    "Folder of the base model (config.json, *.safetensors, preprocessor_config.json), relative to the plan file; or hf:owner/name[@revision], which is fetched once."
  ),
  task: Schema.Union([ImageClassificationTask, ZeroShotTask])
    .annotate({ description: "What the model is trained to do: a new head over images, or CLIP's own." })
    .pipe(withDefault({ kind: "image-classification" })),
  head: Schema.optionalKey(head),
  weights: packedWeights
}).annotate({ title: "ImageModel", description: "Which model of images is adapted, and for which task." })
export type ImageModelSection = typeof ImageModelSection.Type

/** Schema of `data.augment`: what is changed at random in images that are trained on. */
export const Augment = Schema.Struct({
  flip: Schema.Boolean.annotate({
    expected: "true or false",
    description: "Whether left and right are exchanged in half of the images."
  }).pipe(withDefault(false)),
  crop: Schema.optionalKey(
    share(
      "The least share of an image's area that a crop at random keeps, with proportions from 3:4 to 4:3. Absent: images are cropped as in evaluations."
    )
  )
}).annotate({
  title: "Augment",
  description: "Changes at random to images that are trained on; they depend on seed, epoch and row alone."
})
export type Augment = typeof Augment.Type

const imageRows = {
  ...folderSplits,
  image: column(
    "Column that holds an image: its path, or the bytes themselves (of Parquet files, as data sets of Hugging Face have them). Of no consequence where rows are the files of a folder."
  ).pipe(withDefault("image")),
  folder: Schema.optionalKey(
    text(
      "a path to a folder",
      "Folder that paths in rows are relative to, and that no path leaves; relative to the plan file. Absent: that of the file with the rows."
    )
  ),
  augment: Schema.optionalKey(Augment),
  ...classes
}

/** Images for a Hugging Face model, prepared as its preprocessor_config.json says. */
export const ImagesData = Schema.Struct({
  format: Schema.Literal("images").annotate({ description: "Images with one label each." }),
  ...imageRows
}).annotate({ title: "Images", description: "Labelled images and how they become batches." })
export type ImagesData = typeof ImagesData.Type

/** Images for a LayersModel, which says their size alone. */
export const ImageArraysData = Schema.Struct({
  format: Schema.Literal("image-arrays").annotate({ description: "Images with one label each, for a tf.LayersModel." }),
  ...imageRows,
  resize: choice(
    ["stretch", "crop"],
    "How an image becomes as large as the model's input: whatever its proportions are, or its middle, of the input's proportions."
  ).pipe(withDefault("stretch")),
  range: choice(
    ["0 to 1", "-1 to 1", "0 to 255"],
    "What black and white are to the model: what it was trained with."
  ).pipe(withDefault("0 to 1"))
}).annotate({ title: "Image arrays", description: "Labelled images and how they become batches." })
export type ImageArraysData = typeof ImageArraysData.Type

/** Schema of plans with `data.format: "images"`. */
export const ImagesPlan = planOf(
  ImageModelSection,
  ImagesData,
  "ImagesPlan",
  "A training run of a model of images over labelled images.",
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
    ? `found "${head}" with model.task.kind "zero-shot", whose head is the text tower; expected none here`
    : undefined
)

const noTower: Rule<ImagesPlan> = rule("zero-shot-has-no-head", "optimizer.headLearningRate", ({ model, optimizer }) =>
  model.task.kind === "zero-shot" && optimizer.headLearningRate !== undefined
    ? 'found with model.task.kind "zero-shot", which trains no head; expected none here'
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
      noTopology(source) === undefined ? undefined : ', a tf.LayersModel; expected "image-arrays" here'
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
