/** Labelled images and a Hugging Face model of images: values of a plan, and what a folder or rows hold. */
import * as Effect from "effect/Effect"
import { imageFamilies } from "../../models/vision/index.ts"
import { type Detecting, fewOfEach, heldOutLabelled, nothingToEvaluate, type Suggesting } from "../../suggest/index.ts"
import { choose, headTurns } from "../encoder/suggest.ts"
import { detectedImages } from "../rows/images.ts"
import { estimateMemory, type ResolvedImagesPlan } from "./resolve.ts"
import { suitableTask } from "./task.ts"

export const suggestImages: Suggesting<ResolvedImagesPlan> = {
  uncut: null,
  heldOut: heldOutLabelled,
  choose({ model, data }, held) {
    const { train, validation, test } = data.splits
    const evaluated = { validation: validation?.rows ?? (held > 0 ? held : null), test: test?.rows ?? null }
    const rows = train.rows - held
    const { positions, hiddenSize } = model
    const choices = choose({
      ...evaluated,
      rows,
      classes: data.labels.length,
      p95: positions,
      median: positions,
      longest: positions,
      positions,
      hiddenSize,
      narrowest: Math.min(...model.sites.map((site) => Math.min(site.in, site.out))),
      linear: model.sites.reduce((sum, site) => sum + site.in * site.out, 0),
      newHead: model.head.parameters.length > 0
    })
    return {
      // a text's length, which images do not have
      choices: choices.filter(({ path }) => path !== "data.maxLength"),
      cautions: [unmeasured, ...fewOfEach(rows, data.labels.length), ...nothingToEvaluate(evaluated)]
    }
  },
  turns: (choices) => headTurns(choices, null),
  estimate: (plan, { model, trainable, selected, data }) =>
    estimateMemory(plan, model, trainable, selected.sites, data?.splits.train.rows ?? plan.training.batchSize)
}

const unmeasured =
  "rates and steps are those that were measured on texts: of models of images under LoRA-Pro nothing was measured here"

export const detectImages: Detecting = {
  columns: { images: ["image", "label"] },
  takes: ({ modelType }) => typeof modelType === "string" && Object.hasOwn(imageFamilies, modelType),
  rows: (source, place, columns) =>
    Effect.gen(function* () {
      const found = yield* detectedImages("images", place, columns)
      // what is wrong with the model is reported when it is described
      const task = yield* Effect.orElseSucceed(suitableTask(source), () => undefined)
      return task === undefined ? found : { ...found, choices: [task, ...found.choices] }
    })
}
