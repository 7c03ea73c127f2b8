/** Orientation in an image's EXIF data: tag 0x0112 of the first directory of a TIFF file (EXIF 2.32, 4.6.4). */
import { CutShort } from "../refused.ts"
import type { Cursor } from "./cursor.ts"

const ORIENTATION = 0x0112
/** type of a value → its reader, for whole numbers */
const [BYTE, SHORT, LONG] = [1, 3, 4]

const read = (exif: Cursor): number => {
  // some writers of PNG and WebP keep the prefix of the JPEG segment
  const start = exif.text(0, 4) === "Exif" ? 6 : 0
  const order = exif.text(start, 2)
  if (order !== "II" && order !== "MM") return 1
  const little = order === "II"
  const directory = start + exif.u32(start + 4, little)
  const entries = exif.u16(directory, little)
  for (let entry = 0; entry < entries; entry++) {
    const at = directory + 2 + 12 * entry
    if (exif.u16(at, little) !== ORIENTATION) continue
    const type = exif.u16(at + 2, little)
    if (exif.u32(at + 4, little) !== 1) return 1
    const value =
      type === BYTE
        ? exif.u8(at + 8)
        : type === SHORT
          ? exif.u16(at + 8, little)
          : type === LONG
            ? exif.u32(at + 8, little)
            : 1
    return value >= 1 && value <= 8 ? value : 1
  }
  return 1
}

/** Returns the orientation, 1 to 8. Returns 1 for absent or invalid data, since EXIF is metadata and not part of the image. */
export const orientationOf = (exif: Cursor): number => {
  try {
    return read(exif)
  } catch (error) {
    if (error instanceof CutShort) return 1
    throw error
  }
}
