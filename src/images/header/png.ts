/** PNG (ISO/IEC 15948): a signature and chunks; the first chunk has the size. */
import type { ImageHeader } from "../image.ts"
import { Refused } from "../refused.ts"
import type { Cursor } from "./cursor.ts"
import { orientationOf } from "./exif.ts"

export const PNG_SIGNATURE = "\x89PNG\r\n\x1a\n"

const GREY = 0

/** Yields the chunks with their content, as far as the bytes reach. */
export function* pngChunks(
  png: Cursor
): Generator<{ readonly type: string; readonly at: number; readonly length: number }> {
  let at = PNG_SIGNATURE.length
  while (at + 12 <= png.length) {
    const length = png.u32(at)
    yield { type: png.text(at + 4, 4), at: at + 8, length }
    at += 12 + length
  }
}

export const pngHeader = (png: Cursor): ImageHeader => {
  if (png.text(12, 4) !== "IHDR" || png.u32(8) !== 13)
    throw new Refused("is damaged: a PNG image that does not begin with its size")
  const [width, height, depth, color] = [png.u32(16), png.u32(20), png.u8(24), png.u8(25)]
  if (depth === 16 && color === GREY) {
    throw new Refused(
      "is a grey PNG image of 16 bits, which Pillow turns white wherever it is not black; expected 8 bits"
    )
  }
  for (const { type, at, length } of pngChunks(png)) {
    if (type === "eXIf" && at + length <= png.length) {
      return { format: "png", width, height, orientation: orientationOf(png.part(at, length)) }
    }
  }
  return { format: "png", width, height, orientation: 1 }
}
