/** Converts PEFT adapters over image classifiers. PEFT has no task type for them: the task comes from the base model. */
import * as Effect from "effect/Effect"
import { ModelError, placeOf, readJson } from "../../models/index.ts"
import { describeImageModel, imageFamilies } from "../../models/vision/index.ts"
import type { Adopting } from "../contract/index.ts"
import { suitableTask } from "./task.ts"

// name of the head's module in every transformers class
const HEAD = "classifier.weight"

export const adoptImages: Adopting = {
  sections: ({ config, tensors }, source) =>
    Effect.gen(function* () {
      if (config.task !== null || /\.(json|gguf)$/.test(source)) return null
      const base = yield* readJson(yield* placeOf(source), "config.json")
      const type = (base as { readonly model_type?: unknown } | null)?.model_type
      if (typeof type !== "string" || !Object.hasOwn(imageFamilies, type)) return null
      const classes = tensors.get(HEAD)?.shape[0]
      if (classes === undefined && (yield* suitableTask(source)) !== undefined) return yield* unlabelled(source)
      const head = classes === undefined ? "checkpoint" : "new"
      // for the base's own head, the base determines the number of classes
      const numbered = Array.from({ length: classes ?? 0 }, (_, i) => `LABEL_${i}`)
      const { labels } = yield* describeImageModel(source, {
        head,
        labels: classes === undefined ? undefined : numbered
      })
      const named = classes === undefined ? labels : yield* ownNames(source, classes, numbered)
      return {
        model: { source, task: { kind: "image-classification" }, head },
        data: { format: "images", train: "none", labels: named }
      }
    }),
  sample: ([label = ""]) => [{ image: grey, label }]
}

/** Returns the error for a base model without label names. */
const unlabelled = (source: string) => {
  const problem = `neither the base model nor an adapter of its towers contains label names; start a plan from the adapter (adapter.from) and name the labels there (model.task, data.labels)`
  return new ModelError({ folder: source, problems: [problem] })
}

/** Returns the base model's class names if their number matches, else `otherwise`. */
const ownNames = (source: string, classes: number, otherwise: ReadonlyArray<string>) =>
  describeImageModel(source, { head: "new" }).pipe(
    Effect.map(({ labels }) => (labels.length === classes ? labels : otherwise)),
    Effect.orElseSucceed(() => otherwise)
  )

/** A grey pixel as PNG, for comparing two models. */
const grey =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGNoaGgAAAMEAYFL09IQAAAAAElFTkSuQmCC"
