/** JPEG (ITU-T T.81): segments that begin with a marker. The frame's segment has the size; image data follow the segment of a scan. */
import { limit, overLimit } from "../../boundary/index.ts"
import type { ImageHeader } from "../image.ts"
import { CutShort, Refused } from "../refused.ts"
import type { Cursor } from "./cursor.ts"
import { orientationOf } from "./exif.ts"

const [SOI, EOI, SOS, APP1] = [0xd8, 0xd9, 0xda, 0xe1]

/** Unsupported frame types by their markers; others are decoded. */
const frames: Readonly<Record<number, string | undefined>> = {
  192: undefined,
  193: undefined,
  194: undefined,
  195: "lossless",
  197: "hierarchical",
  198: "hierarchical",
  199: "lossless",
  201: "arithmetically coded",
  202: "arithmetically coded",
  203: "lossless",
  205: "hierarchical",
  206: "hierarchical",
  207: "lossless"
}

const standsAlone = (marker: number): boolean => marker === 0x01 || marker === SOI || (marker >= 0xd0 && marker <= 0xd7)

interface Segment {
  readonly marker: number
  /** offset of the bytes after the length */
  readonly at: number
  readonly length: number
}

/** Returns the first marker at or after a position, skipping bytes that belong to none, and its end. */
const markerAfter = (jpeg: Cursor, from: number): readonly [marker: number, end: number] => {
  let at = from
  while (jpeg.u8(at) !== 0xff || jpeg.u8(at + 1) === 0 || jpeg.u8(at + 1) === 0xff) at++
  return [jpeg.u8(at + 1), at + 2]
}

/** Yields the segments up to and including that of the first scan. */
function* segments(jpeg: Cursor): Generator<Segment> {
  let at = 2
  while (true) {
    const [marker, end] = markerAfter(jpeg, at)
    at = end
    if (standsAlone(marker)) continue
    if (marker === EOI) throw new Refused("is damaged: a JPEG image that ends before its data")
    const length = jpeg.u16(at)
    yield { marker, at: at + 2, length: length - 2 }
    if (marker === SOS) return
    at += Math.max(2, length)
  }
}

const sizeOf = (jpeg: Cursor, { marker, at }: Segment): Pick<ImageHeader, "width" | "height"> => {
  const kind = frames[marker]
  if (kind !== undefined) throw new Refused(`is a JPEG image that is ${kind}; expected a baseline or progressive one`)
  const [precision, height, width, components] = [jpeg.u8(at), jpeg.u16(at + 1), jpeg.u16(at + 3), jpeg.u8(at + 5)]
  if (precision !== 8) throw new Refused(`is a JPEG image of ${precision} bits; expected 8`)
  if (components === 4) throw new Refused("is a JPEG image in CMYK, colours for printing; expected RGB or grey")
  if (components !== 1 && components !== 3) {
    throw new Refused(`is a JPEG image of ${components} channels; expected 3, or 1 of a grey one`)
  }
  return { width, height }
}

export const jpegHeader = (jpeg: Cursor): ImageHeader => {
  let size: Pick<ImageHeader, "width" | "height"> | undefined
  let orientation: number | undefined
  for (const segment of segments(jpeg)) {
    const { marker, at, length } = segment
    if (marker in frames) size ??= sizeOf(jpeg, segment)
    if (marker === APP1 && length >= 6 && jpeg.text(at, 6) === "Exif\0\0") {
      orientation ??= orientationOf(jpeg.part(at, length))
    }
  }
  if (size === undefined) throw new Refused("is damaged: a JPEG image whose data begin before its size")
  return { format: "jpeg", ...size, orientation: orientation ?? 1 }
}

/**
 * Throws for image data without an end, which the decoder would fill with grey, and for more scans than the limit
 * allows: every scan of a progressive image may cover all pixels, with next to no data.
 */
export const checkScans = (jpeg: Cursor): void => {
  let at = 2
  let scans = 0
  while (true) {
    const [marker, end] = markerAfter(jpeg, at)
    at = end
    if (standsAlone(marker)) continue
    if (marker === EOI) return
    if (marker === SOS && ++scans > limit("jpeg-scans")) {
      throw new Refused(`is a JPEG image of more than ${overLimit("jpeg-scans")}`)
    }
    at += Math.max(2, jpeg.u16(at))
    if (at > jpeg.length) throw new CutShort()
  }
}
