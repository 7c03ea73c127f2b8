/** From the bytes of a file to pixels. */
import * as Effect from "effect/Effect"
import type { Codec } from "./codecs/codec.ts"
import { parsedHeader } from "./header.ts"
import { ImageError, type ImageFormat, type ImageHeader, type Pixels } from "./image.ts"
import { Refused } from "./refused.ts"
import { upright } from "./turn.ts"

/** Loaded when the first image of a format comes, and their binaries with it. */
const codecs: Readonly<Record<ImageFormat, () => Promise<Codec>>> = {
  png: async () => (await import("./codecs/png.ts")).decodePng,
  jpeg: async () => (await import("./codecs/jpeg.ts")).decodeJpeg,
  webp: async () => (await import("./codecs/webp.ts")).decodeWebp
}

/** What was thrown as an error of an image; what is no refusal is a defect. */
export const refusedAt =
  (where: string) =>
  (thrown: unknown): ImageError => {
    if (thrown instanceof Refused) return new ImageError({ where, reason: thrown.message })
    throw thrown
  }

/** Throws Refused. */
export const decoded = async (bytes: Uint8Array): Promise<Pixels> => {
  const header = parsedHeader(bytes)
  const codec = await codecs[header.format]()
  return upright(await codec(bytes, header), header.orientation)
}

/** What an image's bytes say of it, without a pixel being decoded. `where`: what messages call it. */
export const headerOf = (bytes: Uint8Array, where: string): Effect.Effect<ImageHeader, ImageError> =>
  Effect.try({ try: () => parsedHeader(bytes), catch: refusedAt(where) })

/** An image's pixels, upright. `where`: what messages call it. */
export const decodedImage = (bytes: Uint8Array, where: string): Effect.Effect<Pixels, ImageError> =>
  Effect.tryPromise({ try: () => decoded(bytes), catch: refusedAt(where) })
