/** The part of an adapter's model card that a model of images has of its own. */
import { type CardParts, type CardSource, fenced, inTypeScript, peftReader } from "../../output/index.ts"
import { classesLimits, classesPurpose } from "../rows/predictions.ts"
import type { ResolvedImagesPlan } from "./resolve.ts"
import { taskOf } from "./task.ts"

export const imagesCard = (source: CardSource<ResolvedImagesPlan>): CardParts => {
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
      ...(changes.length === 0 ? [] : [["changed at random in training", changes.join(", ")] as const])
    ],
    loading: loadingCode(source),
    limits: classesLimits(report.labels, "image")
  }
}

/** In Python with PEFT or transformers, and here. */
const loadingCode = (source: CardSource<ResolvedImagesPlan>): string => {
  const { resolved, report, base, adapter } = source
  const { plan } = resolved
  const where = peftReader(plan) !== null ? "In Python, with PEFT" : "In Python, with transformers"
  return [
    `${where}, from the folder that training was started in:`,
    fenced("python", taskOf(plan).python(plan.model.task, { plan, base, adapter, labels: report.labels })),
    inTypeScript(source, 'predict(["photo.jpg"])')
  ].join("\n\n")
}
