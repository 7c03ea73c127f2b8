/** Decodes image files to pixels. */
import * as Effect from "effect/Effect"
import type { Codec } from "./codecs/codec.ts"
import { parsedHeader } from "./header.ts"
import { ImageError, type ImageFormat, type ImageHeader, type Pixels } from "./image.ts"
import { Refused } from "./refused.ts"
import { upright } from "./turn.ts"

/** Decoders by format. Each is loaded with its binary for the first image of its format. */
const codecs: Readonly<Record<ImageFormat, () => Promise<Codec>>> = {
  png: async () => (await import("./codecs/png.ts")).decodePng,
  jpeg: async () => (await import("./codecs/jpeg.ts")).decodeJpeg,
  webp: async () => (await import("./codecs/webp.ts")).decodeWebp
}

/** Converts a thrown Refused to an ImageError; any other exception is a defect. */
export const refusedAt =
  (where: string) =>
  (thrown: unknown): ImageError => {
    if (thrown instanceof Refused) return new ImageError({ where, reason: thrown.message })
    throw thrown
  }

/** Decodes an image. Throws Refused. */
export const decoded = async (bytes: Uint8Array): Promise<Pixels> => {
  const header = parsedHeader(bytes)
  const codec = await codecs[header.format]()
  return upright(await codec(bytes, header), header.orientation)
}

/** Reads the header of an image without decoding its pixels. `where`: its name in messages. */
export const headerOf = (bytes: Uint8Array, where: string): Effect.Effect<ImageHeader, ImageError> =>
  Effect.try({ try: () => parsedHeader(bytes), catch: refusedAt(where) })

/** Decodes an image and applies its orientation. `where`: its name in messages. */
export const decodedImage = (bytes: Uint8Array, where: string): Effect.Effect<Pixels, ImageError> =>
  Effect.tryPromise({ try: () => decoded(bytes), catch: refusedAt(where) })
