/** Labelled images and a `tf.LayersModel`: values of a plan, and what a folder or rows hold. */
import * as Effect from "effect/Effect"
import type { ImageArraysPlan } from "../../../../schemas/index.ts"
import type { ImageClasses } from "../../../data/images/index.ts"
import { choice, type Detecting } from "../../../suggest/index.ts"
import { detectedImages, holdsImages } from "../../rows/images.ts"
import { isTopology, rescales, suggestLayers } from "../suggest.ts"

const FORMAT = "image-arrays"

const rangeCaution =
  "data.range has to be what the model was trained with, which its file does not say: if its accuracy before training, which train prints first, is lower than the model's own, look there"

export const suggestImageArrays = suggestLayers<ImageArraysPlan, ImageClasses>({
  newHead: true,
  // a model that rescales takes bytes
  cautions: ({ range }) => (range === "0 to 255" ? [] : [rangeCaution])
})

export const detectImageArrays: Detecting = {
  columns: { [FORMAT]: ["image", "label"] },
  takes: isTopology,
  rows: (source, place, columns) =>
    Effect.gen(function* () {
      if (!(yield* holdsImages(place, columns))) return null
      const detected = yield* detectedImages(FORMAT, place, columns)
      const bytes = choice("data.range", "0 to 255", "the model has a layer that scales bytes itself")
      return { ...detected, choices: [...detected.choices, ...((yield* rescales(source)) ? [bytes] : [])] }
    })
}
