/** A row's image as a picture in a report: small, and the report's own. */
import * as Effect from "effect/Effect"
import { imageBytes } from "../data/images/index.ts"
import type { LabelledText } from "../data/index.ts"
import { decodedImage, encodedPng, type Pixels, type Processing, processed } from "../images/index.ts"

// as wide as a report shows them on a screen of two pixels for one, so that twenty take less than a photo
const longestSide = 96

/** A PNG file as a data: URI; undefined where the image cannot be read any more. */
export const pictureOf = (row: LabelledText): Effect.Effect<string | undefined> =>
  Effect.gen(function* () {
    const small = smaller(yield* decodedImage(yield* imageBytes(row), row.where))
    const bytes = yield* Effect.promise(() => encodedPng(small))
    return `data:image/png;base64,${btoa(String.fromCharCode(...bytes))}`
  }).pipe(Effect.orElseSucceed(() => undefined))

const smaller = (pixels: Pixels): Pixels => {
  const scale = longestSide / Math.max(longestSide, pixels.width, pixels.height)
  if (scale === 1) return pixels
  const [width, height] = [pixels.width, pixels.height].map((side) => Math.max(1, Math.round(side * scale)))
  const size = { width: width!, height: height! }
  const bytes: Processing = {
    size,
    resize: size,
    resampling: "box",
    scale: 1,
    mean: [0, 0, 0],
    deviation: [1, 1, 1],
    channels: 3
  }
  return { ...size, data: Uint8Array.from(processed(pixels, bytes)) }
}
