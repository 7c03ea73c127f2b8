/** Encodes pixels as a file. */
import { crc32 } from "./crc32.ts"
import type { Pixels } from "./image.ts"

/** Returns a PNG file: eight bits per channel, unfiltered rows, deflate compression. @see https://www.w3.org/TR/png-3/ */
export const encodedPng = async ({ width, height, data }: Pixels): Promise<Uint8Array> => {
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
  view.setUint32(8 + data.length, crc32(bytes, 4, 8 + data.length))
  return bytes
}
