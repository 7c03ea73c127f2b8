/** WebP (RFC 9649): a RIFF file whose first chunk is the image, or announces further chunks. */
import type { ImageHeader } from "../image.ts"
import { Refused } from "../refused.ts"
import type { Cursor } from "./cursor.ts"
import { orientationOf } from "./exif.ts"

const ANIMATED = 0x02

/** End of the file by its header, or its actual end if that comes first. */
const endOf = (webp: Cursor): number => Math.min(webp.length, 8 + webp.u32(4, true))

/** Checks whether a file is shorter than its header says. */
export const isCutShort = (webp: Cursor): boolean => 8 + webp.u32(4, true) > webp.length

const exifOf = (webp: Cursor): number => {
  let at = 12
  while (at + 8 <= endOf(webp)) {
    const length = webp.u32(at + 4, true)
    if (webp.text(at, 4) === "EXIF" && at + 8 + length <= webp.length) return orientationOf(webp.part(at + 8, length))
    at += 8 + length + (length & 1)
  }
  return 1
}

export const webpHeader = (webp: Cursor): ImageHeader => {
  const type = webp.text(12, 4)
  const at = 20
  const still = (width: number, height: number): ImageHeader => ({ format: "webp", width, height, orientation: 1 })
  if (type === "VP8 ") {
    if (webp.u24(at + 3) !== 0x2a019d) throw new Refused("is damaged: a WebP image that does not begin with its size")
    return still(webp.u16(at + 6, true) & 0x3fff, webp.u16(at + 8, true) & 0x3fff)
  }
  if (type === "VP8L") {
    if (webp.u8(at) !== 0x2f) throw new Refused("is damaged: a WebP image that does not begin with its size")
    const bits = webp.u32(at + 1, true)
    return still((bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1)
  }
  if (type === "VP8X") {
    if ((webp.u8(at) & ANIMATED) !== 0) throw new Refused("is an animated WebP image; expected a still image")
    return { ...still(webp.u24(at + 4) + 1, webp.u24(at + 7) + 1), orientation: exifOf(webp) }
  }
  throw new Refused("is damaged: a WebP image that begins with none of its chunks")
}
