/** A row's image as a picture in a report: small, and the report's own. */
import * as Effect from "effect/Effect"
import { imageBytes } from "../data/images/index.ts"
import type { LabelledText } from "../data/index.ts"
import { decodedImage, type Pixels, type Processing, processed } from "../images/index.ts"

// as wide as a report shows them on a screen of two pixels for one, so that twenty take less than a photo
const longestSide = 96

/** A PNG file as a data: URI; undefined where the image cannot be read any more. */
export const pictureOf = (row: LabelledText): Effect.Effect<string | undefined> =>
  Effect.gen(function* () {
    const small = smaller(yield* decodedImage(yield* imageBytes(row), row.where))
    const bytes = yield* Effect.promise(() => pngOf(small))
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

/** https://www.w3.org/TR/png-3/: eight bits a channel, lines as they are. */
const pngOf = async ({ width, height, data }: Pixels): Promise<Uint8Array> => {
  const header = new Uint8Array(13)
  const view = new DataView(header.buffer)
  view.setUint32(0, width)
  view.setUint32(4, height)
  header.set([8, 2], 8)
  const lines = new Uint8Array(height * (1 + 3 * width))
  for (let y = 0; y < height; y++) {
    lines.set(data.subarray(3 * width * y, 3 * width * (y + 1)), y * (1 + 3 * width) + 1)
  }
  const packed = new Response(new Blob([lines]).stream().pipeThrough(new CompressionStream("deflate")))
  const parts = [
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk("IHDR", header),
    chunk("IDAT", new Uint8Array(await packed.arrayBuffer())),
    chunk("IEND", new Uint8Array(0))
  ]
  return new Uint8Array(await new Blob(parts).arrayBuffer())
}

const chunk = (type: string, data: Uint8Array): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(12 + data.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, data.length)
  bytes.set(new TextEncoder().encode(type), 4)
  bytes.set(data, 8)
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)))
  return bytes
}

/** CRC-32 of ISO 3309, bit by bit: pictures are small. */
const crc32 = (bytes: Uint8Array): number => {
  let crc = -1
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return ~crc >>> 0
}
