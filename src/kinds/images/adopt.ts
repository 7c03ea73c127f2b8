/** Adapters of PEFT over models of images with a classifier. PEFT has no task for them: the base says what it is. */
import * as Effect from "effect/Effect"
import { placeOf, readJson } from "../../models/index.ts"
import { describeImageModel, imageFamilies } from "../../models/vision/index.ts"
import type { Adopting } from "../kind.ts"

// the module of the head in every class of transformers'
const HEAD = "classifier.weight"

export const adoptImages: Adopting = {
  sections: ({ config, tensors }, source) =>
    Effect.gen(function* () {
      if (config.task !== null || /\.(json|gguf)$/.test(source)) return null
      const base = yield* readJson(yield* placeOf(source), "config.json")
      const type = (base as { readonly model_type?: unknown } | null)?.model_type
      if (typeof type !== "string" || !Object.hasOwn(imageFamilies, type)) return null
      const classes = tensors.get(HEAD)?.shape[0]
      const headInit = classes === undefined ? "checkpoint" : "normal"
      // how many the base has, where the head is its own
      const numbered = Array.from({ length: classes ?? 0 }, (_, i) => `LABEL_${i}`)
      const { labels } = yield* describeImageModel(source, {
        headInit,
        labels: classes === undefined ? undefined : numbered
      })
      const named = classes === undefined ? labels : yield* ownNames(source, classes, numbered)
      return {
        model: { source, task: { kind: "image-classification", headInit } },
        data: { format: "images", train: "none", labels: named }
      }
    }),
  sample: ([label = ""]) => [{ image: grey, label }]
}

/** The base's names of its classes, where it has as many. */
const ownNames = (source: string, classes: number, otherwise: ReadonlyArray<string>) =>
  describeImageModel(source, { headInit: "normal" }).pipe(
    Effect.map(({ labels }) => (labels.length === classes ? labels : otherwise)),
    Effect.orElseSucceed(() => otherwise)
  )

/** A grey pixel as PNG: any image tells two models apart. */
const grey =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGNoaGgAAAMEAYFL09IQAAAAAElFTkSuQmCC"
