/** Thumbnails of rows' images for reports, and images as inputs. */
import * as Effect from "effect/Effect"
import { imageBytes } from "../../data/images/index.ts"
import type { LabelledText, RowSource } from "../../data/index.ts"
import { decodedImage, encodedPng, headerOf, type Pixels, type Processing, processed } from "../../images/index.ts"
import type { AskedField } from "../contract/index.ts"

// a phone's photo, reduced for sending
const MOST_BYTES = 2 ** 20

/** Returns the file of an image as a data: URI, for use as an input; undefined if it is no longer readable or is too large. */
const wholeImage = (row: LabelledText): Effect.Effect<string | undefined> =>
  Effect.gen(function* () {
    const bytes = yield* imageBytes(row)
    if (bytes.length > MOST_BYTES) return undefined
    const { format } = yield* headerOf(bytes, row.where)
    let letters = ""
    for (const byte of bytes) letters += String.fromCharCode(byte)
    return `data:image/${format};base64,${btoa(letters)}`
  }).pipe(Effect.orElseSucceed(() => undefined))

type AnyImages = { readonly data: { readonly image: string } }

/** Returns the input field of a run over images. */
export const askedImage = ({ data: { image } }: AnyImages): readonly [AskedField] => [{ name: image, type: "image" }]

/** Returns rows as sample inputs. */
export const askedExamples = (source: RowSource<LabelledText>, { data }: AnyImages, rows: ReadonlyArray<number>) =>
  Effect.gen(function* () {
    const images = yield* Effect.forEach(yield* source.read(rows), wholeImage)
    return images.flatMap((image) => (image === undefined ? [] : [{ [data.image]: image }]))
  })

// as wide as a report shows them on a screen of two pixels for one, so that twenty take less than a photo
const longestSide = 96

/** Returns the image of a row as a small PNG in a data: URI; undefined if it is no longer readable. */
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
