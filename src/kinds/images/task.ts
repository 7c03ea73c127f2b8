/**
 * The tasks of image models, by name: description, loading and transformers class. No other module of this kind depends on a task's name.
 */

import * as Effect from "effect/Effect"
import type { ImagesPlan } from "../../../schemas/index.ts"
import { isRecord } from "../../boundary/index.ts"
import { placeOf, readJson } from "../../models/index.ts"
import { describeImageModel, loadImageModel, readProcessing } from "../../models/vision/index.ts"
import { classifierLines, type ImageTask, pipelineLines, type Task, type TaskOf } from "./image-task.ts"
import { zeroShot } from "./zero-shot.ts"

export type { DescribedImages, ImagesModel } from "./image-task.ts"

const classification: TaskOf<"image-classification"> = {
  alone: "A classification head",
  pipeline: "image-classification",
  mergedPython: () => pipelineLines,
  python: (_, place) => classifierLines(place),
  describe: ({ source, head = "new" }, labels) =>
    Effect.gen(function* () {
      const described = yield* describeImageModel(source, { head, labels })
      const { className, processor, inPipeline } = described.imageFamily
      const processed = yield* readProcessing(described, processor)
      return {
        ...described,
        ...processed,
        title: described.family,
        untrained: "the untrained head",
        className,
        inPipeline,
        load: (options) => loadImageModel(described, options)
      }
    }),
  standIns: ({ head }) => (head === "checkpoint" ? undefined : ["0", "1"]),
  config: ({ labels, className }) => ({
    architectures: [className],
    id2label: Object.fromEntries(labels.map((label, i) => [i, label])),
    label2id: Object.fromEntries(labels.map((label, i) => [label, i]))
  }),
  withOwnHead: (model) => ({ ...model, head: "checkpoint" })
}

const tasks = { "image-classification": classification, "zero-shot": zeroShot } satisfies {
  readonly [Kind in Task["kind"]]: TaskOf<Kind>
}

export const taskOf = ({ model }: Pick<ImagesPlan, "model">): ImageTask => tasks[model.task.kind]

/** Returns the task that suits the model at `source`, and why, if it is not the default. */
export const suitableTask = (source: string) =>
  Effect.map(
    Effect.flatMap(placeOf(source), (folder) => readJson(folder, "config.json")),
    (config) =>
      isRecord(config)
        ? Object.values<ImageTask>(tasks)
            .map((task) => task.suits?.(config))
            .find((choice) => choice !== undefined)
        : undefined
  )

/** Describes the model of a plan whose classes are known, or are the checkpoint's. */
export const describeImages = ({ model, data }: Pick<ImagesPlan, "model" | "data">) =>
  taskOf({ model }).describe(model, data.labels)
