/**
 * Image classification: the adapter's model card, base + s·BA as a folder that transformers loads, and the forward pass for other engines
 * (pixels in, logits out).
 */

import type { Tensor4D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { type Adapted, unadapted } from "../../../adapters/index.ts"
import type { ImagesPlan } from "../../../schemas/index.ts"
import { imageEvaluationBatches, openPreparing } from "../../data/images/index.ts"
import type { ClassificationSplit } from "../../data/index.ts"
import { preprocessorConfig } from "../../images/index.ts"
import type { Network } from "../../models/index.ts"
import {
  type CardParts,
  type CardSource,
  CHECKED_ROWS,
  changeOf,
  fenced,
  inTypeScript,
  labelsOfConfig,
  peftReader,
  trainedFor,
  writeMergedFolder
} from "../../output/index.ts"
import { logitsOfRows } from "../../training/index.ts"
import type { Publisher, Runner, Trained } from "../contract/index.ts"
import { mergedRun } from "../contract/merged-run.ts"
import { type Served, script } from "../contract/served.ts"
import { classesLimits, classesPurpose } from "../rows/predictions.ts"
import type { ResolvedImagesPlan } from "./run.ts"
import { describeImages, type ImagesModel, taskOf } from "./task.ts"

type Open = Runner<ImagesPlan, ResolvedImagesPlan, ImagesModel, ClassificationSplit>["splits"]

const merged = (
  { plan, adapted, steps }: Trained<ImagesPlan, ImagesModel>,
  open: Open,
  run: string,
  folder: string
) => {
  const { model } = adapted
  const task = taskOf(plan)
  const alone = task.alone.toLowerCase()
  return mergedRun({
    adapted,
    run,
    base: model.folder,
    width: model.labels.length,
    words: { output: "logit", answer: "label" },
    splits: (merged) => open(merged, plan),
    outputs: (merged, source) => checkedLogits(merged, plan, source),
    write: writeMergedFolder(adapted, folder, { config: task.config(model) }),
    reopened: Effect.gen(function* () {
      const saved: Pick<ImagesPlan, "model" | "data"> = {
        model: { ...(task.withOwnHead?.(plan.model) ?? plan.model), source: folder },
        data: { ...plan.data, labels: [...model.labels] }
      }
      const described = yield* describeImages(saved)
      const loaded = yield* described.load({ seed: 0 })
      // the run's threads have ended
      const preparing = yield* openPreparing(described.processing)
      return yield* unadapted<ImagesModel>({ ...described, ...loaded, ...preparing })
    }),
    card: {
      pipeline: task.pipeline,
      introduction: [
        `An image classifier: ${changeOf(adapted, { alone, beside: alone })}${trainedFor(steps)}, merged into the base model. Its classes, in the order of the logits:`,
        "",
        fenced("json", [JSON.stringify(model.labels)])
      ],
      weights: plan.model.weights,
      usage: [
        `It loads as transformers' \`${model.className}\`.`,
        "",
        fenced("python", task.mergedPython(plan.model.task, model.labels))
      ]
    }
  })
}

/** Returns logits [rows, classes] of the rows to compare. */
const checkedLogits = (adapted: Adapted<ImagesModel>, plan: ImagesPlan, source: ClassificationSplit) => {
  const rows = Math.min(CHECKED_ROWS, source.rows)
  const { evaluateBatchSize: batchSize } = plan.training
  return imageEvaluationBatches(source, adapted.model, { batchSize, rows }).pipe(logitsOfRows(adapted, rows))
}

const imagesCard = (source: CardSource<ResolvedImagesPlan>): CardParts => {
  const { resolved, report } = source
  const { plan, model } = resolved
  const { height, width } = model.image
  const { flip, crop } = plan.data.augment ?? {}
  const changes = [...(flip === true ? ["flipped"] : []), ...(crop === undefined ? [] : [`cropped to ${crop} or more`])]
  const task = taskOf(plan)
  return {
    pipeline: task.pipeline,
    task: task.pipeline,
    alone: task.alone,
    purpose: classesPurpose(report.labels, "images"),
    settings: [
      ["images", `${width}×${height}`],
      ...(changes.length === 0 ? [] : [["random changes in training", changes.join(", ")] as const])
    ],
    loading: loadingCode(source),
    limits: classesLimits(report.labels, "image")
  }
}

/** Returns code that loads the adapter, in Python with PEFT or transformers and with this library. */
const loadingCode = (source: CardSource<ResolvedImagesPlan>): string => {
  const { resolved, report, base, adapter } = source
  const { plan } = resolved
  const where = peftReader(plan) !== null ? "In Python, with PEFT" : "In Python, with transformers"
  return [
    `${where}, from the folder in which training was started:`,
    fenced("python", taskOf(plan).python(plan.model.task, { plan, base, adapter, labels: report.labels })),
    inTypeScript(source, 'predict(["photo.jpg"])')
  ].join("\n\n")
}

const servedImages = ({ plan, adapted }: Trained<ImagesPlan, ImagesModel>): Effect.Effect<Served> => {
  const { model } = adapted
  const { height, width } = model.image
  return Effect.succeed({
    adapted: adapted as Adapted<Network>,
    base: model.folder,
    tokenizer: { tokenTypes: 0 },
    task: "image-classification",
    // channels first, as in transformers
    inputs: [
      {
        name: "pixel_values",
        stored: "float",
        dtype: "float32",
        shape: ["batch_size", model.processing.channels, height, width]
      }
    ],
    axes: { batch_size: [11, 13] },
    forward: ({ pixel_values: pixels }, linear, weights) => ({
      logits: model.forward(tf.transpose(pixels as Tensor4D, [0, 2, 3, 1]), linear, weights)
    }),
    config: { ...taskOf(plan).config(model), ...labelsOfConfig(model.labels) },
    // complete: transformers.js does not use a class's defaults for missing fields
    files: { "preprocessor_config.json": preprocessorConfig(model.processing) },
    usage: model.inPipeline ? pipelineUse : modelUse(model.labels)
  })
}

const SIZES =
  "Images that already have the model's size give exactly the inputs of the run; transformers.js resizes others slightly differently from Pillow."

const pipelineUse = [
  SIZES,
  "",
  script("pipeline", [
    'const classify = await pipeline("image-classification", "folder")',
    'console.log(await classify("photo.jpg"))'
  ])
]

const modelUse = (labels: ReadonlyArray<string>): ReadonlyArray<string> => [
  `The image pipeline of transformers.js does not support this model; use the model directly. ${SIZES}`,
  "",
  script("AutoImageProcessor, AutoModel, load_image", [
    `const labels = ${JSON.stringify(labels)}`,
    'const processor = await AutoImageProcessor.from_pretrained("folder")',
    'const model = await AutoModel.from_pretrained("folder")',
    'const { logits } = await model(await processor(await load_image("photo.jpg")))',
    "console.log(labels[logits.tolist()[0].reduce((best, logit, i, all) => (logit > all[best] ? i : best), 0)])"
  ])
]

export const publishImages: Publisher<ImagesPlan, ResolvedImagesPlan, ImagesModel, ClassificationSplit> = {
  readerOf: peftReader,
  mergesInto: "huggingface",
  served: { of: servedImages },
  card: imagesCard,
  merge: (trained, splits, run, folder) => merged(trained, splits, run, folder)
}
