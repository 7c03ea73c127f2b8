/** What is made of a run over images: a card for its adapter, and base + s·BA as a folder that transformers loads. */
import * as Effect from "effect/Effect"
import { type Adapted, unadapted } from "../../../adapters/index.ts"
import type { ImagesPlan } from "../../../schemas/index.ts"
import { imageEvaluationBatches, openPreparing } from "../../data/images/index.ts"
import type { ClassificationSplit } from "../../data/index.ts"
import { Device } from "../../device/device.ts"
import {
  CHECKED_ROWS,
  changeOf,
  checkedSplit,
  fenced,
  peftReader,
  trainedFor,
  writeMergedFolder
} from "../../output/index.ts"
import { logitsOfRows } from "../../training/index.ts"
import type { Publisher, Runner, Trained } from "../contract/index.ts"
import { mergedRun } from "../contract/merged-run.ts"
import { imagesCard } from "./card.ts"
import type { ResolvedImagesPlan } from "./resolve.ts"
import { servedImages } from "./served.ts"
import { describeImages, type ImagesModel, taskOf } from "./task.ts"

type Open = Runner<ImagesPlan, ResolvedImagesPlan, ImagesModel, ClassificationSplit>["splits"]

export const publishImages: Publisher<ImagesPlan, ResolvedImagesPlan, ImagesModel, ClassificationSplit> = {
  readerOf: peftReader,
  mergesInto: "huggingface",
  served: { of: servedImages },
  card: imagesCard,
  merge: (trained, splits, run, folder) => merged(trained, splits, run, folder)
}

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
    unmerged: checkedLogits(adapted, plan, open),
    write: writeMergedFolder(adapted, folder, { config: task.config(model) }),
    merged: Effect.gen(function* () {
      const saved: Pick<ImagesPlan, "model" | "data"> = {
        model: { ...plan.model, source: folder, task: task.saved(plan.model.task) },
        data: { ...plan.data, labels: [...model.labels] }
      }
      const described = yield* describeImages(saved)
      const loaded = yield* described.load({ seed: 0 })
      // threads of the run have ended with it
      const preparing = yield* openPreparing(described.processing)
      const again = yield* unadapted<ImagesModel>({ ...described, ...loaded, ...preparing })
      return yield* checkedLogits(again, plan, open)
    }),
    card: {
      pipeline: task.pipeline,
      introduction: [
        `A classifier of images: ${changeOf(adapted, { alone, beside: alone })}${trainedFor(steps)}, merged into the base model. Its classes, in the order of the logits:`,
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

/** Logits [rows, classes] of the rows that are compared, of those that were not trained on where there are any. */
const checkedLogits = (adapted: Adapted<ImagesModel>, plan: ImagesPlan, open: Open) =>
  Effect.gen(function* () {
    const device = yield* Device
    const splits = yield* open(adapted, plan)
    const split = checkedSplit(splits)
    const source = splits[split]!
    const rows = Math.min(CHECKED_ROWS, source.rows)
    const outputs = yield* imageEvaluationBatches(source, adapted.model, {
      batchSize: plan.training.evaluateBatchSize,
      rows
    }).pipe(logitsOfRows(adapted, rows))
    yield* device.sync
    return { outputs, split }
  }).pipe(Effect.scoped)
