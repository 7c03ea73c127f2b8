/** A row's image as a picture in a report: small, and the report's own. */
import * as Effect from "effect/Effect"
import { imageBytes } from "../../data/images/index.ts"
import type { LabelledText, RowSource } from "../../data/index.ts"
import { decodedImage, encodedPng, headerOf, type Pixels, type Processing, processed } from "../../images/index.ts"
import type { AskedField } from "../contract/index.ts"

// a photo of a phone, made smaller by it for the network
const MOST_BYTES = 2 ** 20

/** An image's file itself as a data: URI, to be asked about; undefined where it cannot be read any more, or is too large to be sent about. */
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

/** What a user fills in to ask a run over images. */
export const askedImage = ({ data: { image } }: AnyImages): readonly [AskedField] => [{ name: image, type: "image" }]

/** Rows as a user would ask them. */
export const askedExamples = (source: RowSource<LabelledText>, { data }: AnyImages, rows: ReadonlyArray<number>) =>
  Effect.gen(function* () {
    const images = yield* Effect.forEach(yield* source.read(rows), wholeImage)
    return images.flatMap((image) => (image === undefined ? [] : [{ [data.image]: image }]))
  })

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
