/**
 * What a model of images is trained to do, each task one value: how its model is described and loaded, and as what it is written. Nothing
 * else of this kind knows a task by its name.
 */
import * as Effect from "effect/Effect"
import type { ImagesPlan } from "../../../schemas/index.ts"
import type { Preparing } from "../../data/images/index.ts"
import type { Processing } from "../../images/index.ts"
import type { LoadFolderOptions, ModelError } from "../../models/index.ts"
import {
  describeImageModel,
  type ImageDescription,
  type ImageModel,
  loadImageModel,
  readProcessing
} from "../../models/vision/index.ts"
import type { World } from "../kind.ts"
import { type AdapterPlace, classifierLines, pipelineLines } from "./python.ts"
import { zeroShot } from "./zero-shot.ts"

type Task = ImagesPlan["model"]["task"]

/** A model of a task, before a weight is read. */
export interface DescribedImages extends ImageDescription {
  /** what it is, in a word or two */
  readonly title: string
  /** what there is before training */
  readonly untrained: string
  /** the class of transformers' that it is written as */
  readonly className: string
  readonly processing: Processing
  /** what is taken to be so and was not said, a sentence each */
  readonly notes: ReadonlyArray<string>
  /** The model on the device, for as long as the scope. */
  readonly load: (options: LoadFolderOptions) => Effect.Effect<ImageModel, ModelError, World>
}

/** On the device, with what makes its images ready. */
export type ImagesModel = DescribedImages & ImageModel & Preparing

// methods, whose argument a task narrows to its own
/** What there is of a task. */
export interface ImageTask<T extends Task = Task> {
  /** what is trained where no layer is adapted */
  readonly alone: string
  /** the Hub's name of what it does */
  readonly pipeline: string
  /** How a merged folder is used in Python. */
  mergedPython(task: T, labels: ReadonlyArray<string>): ReadonlyArray<string>
  /** How an adapter is used over its base. */
  python(task: T, place: AdapterPlace): ReadonlyArray<string>
  /** `labels`: in the order of the logits; absent: the checkpoint's own */
  describe(
    source: string,
    task: T,
    labels: ReadonlyArray<string> | undefined
  ): Effect.Effect<DescribedImages, ModelError, World>
  /** Labels for data that could not be read, so that the model is judged all the same. */
  standIns(task: T): ReadonlyArray<string> | undefined
  /** What config.json of a merged folder says of it that its base's does not. */
  config(model: DescribedImages): Readonly<Record<string, unknown>>
  /** The task by which a merged folder is read again. */
  saved(task: T): T
}

export type TaskOf<Kind extends Task["kind"]> = ImageTask<Extract<Task, { readonly kind: Kind }>>

const classification: TaskOf<"image-classification"> = {
  alone: "A classification head",
  pipeline: "image-classification",
  mergedPython: () => pipelineLines,
  python: (_, place) => classifierLines(place),
  describe: (source, { headInit }, labels) =>
    Effect.gen(function* () {
      const described = yield* describeImageModel(source, { headInit, labels })
      const { className, processor } = described.imageFamily
      const processed = yield* readProcessing(described, processor)
      return {
        ...described,
        ...processed,
        title: described.family,
        untrained: "the untrained head",
        className,
        load: (options) => loadImageModel(described, options)
      }
    }),
  standIns: ({ headInit }) => (headInit === "checkpoint" ? undefined : ["0", "1"]),
  config: ({ labels, className }) => ({
    architectures: [className],
    id2label: Object.fromEntries(labels.map((label, i) => [i, label])),
    label2id: Object.fromEntries(labels.map((label, i) => [label, i]))
  }),
  saved: (task) => ({ ...task, headInit: "checkpoint" })
}

const tasks = { "image-classification": classification, "zero-shot": zeroShot } satisfies {
  readonly [Kind in Task["kind"]]: TaskOf<Kind>
}

export const taskOf = ({ model }: Pick<ImagesPlan, "model">): ImageTask => tasks[model.task.kind]

/** The model of a plan whose classes are known, or are the checkpoint's own. */
export const describeImages = ({ model, data }: Pick<ImagesPlan, "model" | "data">) =>
  taskOf({ model }).describe(model.source, model.task, data.labels)
