/** What is to be known of a task of models of images. */
import type * as Effect from "effect/Effect"
import type { ImagesPlan } from "../../../schemas/index.ts"
import type { Preparing } from "../../data/images/index.ts"
import type { Processing } from "../../images/index.ts"
import type { LoadFolderOptions, ModelError } from "../../models/index.ts"
import type { ImageDescription, ImageModel } from "../../models/vision/index.ts"
import { peftReader, python } from "../../output/index.ts"
import type { Choice } from "../../suggest/index.ts"
import type { World } from "../contract/index.ts"

export type Task = ImagesPlan["model"]["task"]

/** The `model` section of plans of a task. */
type Section<T extends Task> = ImagesPlan["model"] & { readonly task: T }

/** So many sequences of a length, and the blocks that they go through. */
interface Sequences extends Pick<ImageDescription, "hiddenSize" | "intermediateSize" | "attentionHeads" | "layers"> {
  readonly size: number
  readonly length: number
}

/** A model of a task, before a weight is read. */
export interface DescribedImages extends ImageDescription {
  /** short name of the task */
  readonly title: string
  /** name of the model before training */
  readonly untrained: string
  /** the class of transformers' that it is written as */
  readonly className: string
  /** the pipeline of transformers.js for images has a class of it */
  readonly inPipeline: boolean
  readonly processing: Processing
  /** sequences that pass through separate blocks in every step, whatever the batch; absent without a second tower */
  readonly textTower?: Sequences | undefined
  /** assumptions, one sentence each */
  readonly notes: ReadonlyArray<string>
  /** The model on the device, for as long as the scope. */
  readonly load: (options: LoadFolderOptions) => Effect.Effect<ImageModel, ModelError, World>
}

/** On the device, with what makes its images ready. */
export type ImagesModel = DescribedImages & ImageModel & Preparing

// methods, whose argument a task narrows to its own
/** What there is of a task. */
export interface ImageTask<T extends Task = Task> {
  /** what is trained without adapted layers */
  readonly alone: string
  /** the Hub's name of what it does */
  readonly pipeline: string
  /** Returns Python code that uses a merged folder. */
  mergedPython(task: T, labels: ReadonlyArray<string>): ReadonlyArray<string>
  /** Returns Python code that uses an adapter over its base model. */
  python(task: T, place: AdapterPlace): ReadonlyArray<string>
  /** `labels`: in the order of the logits; absent: the checkpoint's own */
  describe(
    model: Section<T>,
    labels: ReadonlyArray<string> | undefined
  ): Effect.Effect<DescribedImages, ModelError, World>
  /** Where a task suits a base better than the default: what of it a plan says, and why. `config`: the base's config.json. */
  suits?(config: Readonly<Record<string, unknown>>): Choice | undefined
  /** Labels for data that could not be read, so that the model is judged all the same. */
  standIns(model: Section<T>): ReadonlyArray<string> | undefined
  /** What config.json of a merged folder says of it that its base's does not. */
  config(model: DescribedImages): Readonly<Record<string, unknown>>
  /** The section with the base's own head; absent: there is no head. */
  withOwnHead?(model: Section<T>): Section<T>
}

export type TaskOf<Kind extends Task["kind"]> = ImageTask<Extract<Task, { readonly kind: Kind }>>

type Plan = Parameters<typeof peftReader>[0]

interface AdapterPlace {
  readonly plan: Plan
  readonly base: string
  readonly adapter: string
  readonly labels: ReadonlyArray<string>
}

export const photo = 'image = Image.open("photo.jpg").convert("RGB")'

/** An adapter under transformers' class with a linear head. */
export const classifierLines = ({ plan, base, adapter, labels }: AdapterPlace): ReadonlyArray<string> => {
  const isPeft = peftReader(plan) !== null
  return [
    "import torch",
    "from PIL import Image",
    ...(isPeft ? ["from peft import PeftModel"] : ["from safetensors.torch import load_file"]),
    "from transformers import AutoImageProcessor, AutoModelForImageClassification",
    "",
    `base = ${python(base)}`,
    `adapter = ${python(adapter)}`,
    `labels = ${JSON.stringify(labels)}`,
    "processor = AutoImageProcessor.from_pretrained(base)",
    "model = AutoModelForImageClassification.from_pretrained(",
    "    base, num_labels=len(labels), ignore_mismatched_sizes=True, dtype=torch.float32)",
    isPeft
      ? "model = PeftModel.from_pretrained(model, adapter)"
      : 'model.load_state_dict(load_file(f"{adapter}/trained.safetensors"), strict=False)',
    "model.eval()",
    "",
    photo,
    "with torch.no_grad():",
    '    logits = model(**processor(image, return_tensors="pt")).logits',
    "print(labels[logits.argmax(-1).item()])"
  ]
}

/** A merged folder as transformers' pipeline for images. */
export const pipelineLines: ReadonlyArray<string> = [
  "from transformers import pipeline",
  "",
  'classify = pipeline("image-classification", model="path/to/this/folder")',
  'print(classify("photo.jpg"))'
]
