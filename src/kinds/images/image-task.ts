/** Tasks of image models. */
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

/** Sequences of one length and the blocks that they pass through. */
interface Sequences extends Pick<ImageDescription, "hiddenSize" | "intermediateSize" | "attentionHeads" | "layers"> {
  readonly size: number
  readonly length: number
}

/** An image model of a task, before its weights are read. */
export interface DescribedImages extends ImageDescription {
  /** short name of the task */
  readonly title: string
  /** name of the model before training */
  readonly untrained: string
  /** transformers class that the model is saved as */
  readonly className: string
  /** whether transformers.js's image pipeline supports the class */
  readonly inPipeline: boolean
  readonly processing: Processing
  /** sequences that pass through separate blocks in every step, whatever the batch; absent without a second tower */
  readonly textTower?: Sequences | undefined
  /** assumptions, one sentence each */
  readonly notes: ReadonlyArray<string>
  /** Loads the model on the device, until the scope closes. */
  readonly load: (options: LoadFolderOptions) => Effect.Effect<ImageModel, ModelError, World>
}

/** An image model on the device and its image processor. */
export type ImagesModel = DescribedImages & ImageModel & Preparing

// methods, so that a task can narrow their argument
/** A task of image models. */
export interface ImageTask<T extends Task = Task> {
  /** noun phrase for the trained parameters without adapted layers */
  readonly alone: string
  /** the Hub's name of the task */
  readonly pipeline: string
  /** Returns Python code that uses a merged folder. */
  mergedPython(task: T, labels: ReadonlyArray<string>): ReadonlyArray<string>
  /** Returns Python code that uses an adapter over its base model. */
  python(task: T, place: AdapterPlace): ReadonlyArray<string>
  /** Describes the model of a folder. `labels`: in the order of the logits; default: the checkpoint's. */
  describe(
    model: Section<T>,
    labels: ReadonlyArray<string> | undefined
  ): Effect.Effect<DescribedImages, ModelError, World>
  /** Returns values of a plan for a base that suits this task better than the default, and why. `config`: the base's config.json. */
  suits?(config: Readonly<Record<string, unknown>>): Choice | undefined
  /** Returns placeholder labels for data that could not be read, so that the model is still checked. */
  standIns(model: Section<T>): ReadonlyArray<string> | undefined
  /** Returns fields of a merged folder's config.json that the base's lacks. */
  config(model: DescribedImages): Readonly<Record<string, unknown>>
  /** Returns the section with the base's own head; absent for tasks without a head. */
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

/** Returns Python lines that use an adapter under transformers' class with a linear head. */
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

/** Python lines that use a merged folder in transformers' pipeline for images. */
export const pipelineLines: ReadonlyArray<string> = [
  "from transformers import pipeline",
  "",
  'classify = pipeline("image-classification", model="path/to/this/folder")',
  'print(classify("photo.jpg"))'
]
