/** Parses the header of an image without decoding its pixels: format, size and orientation. */
import { limit, overLimit, printableLine, wholeNumber } from "../boundary/index.ts"
import { Cursor } from "./header/cursor.ts"
import { jpegHeader } from "./header/jpeg.ts"
import { PNG_SIGNATURE, pngHeader } from "./header/png.ts"
import { webpHeader } from "./header/webp.ts"
import type { ImageHeader } from "./image.ts"
import { Refused } from "./refused.ts"

/** The first bytes of a file type, as Latin-1; types without a parser are only named in messages. */
interface Signature {
  /** with its article */
  readonly name: string
  readonly fits: (start: string) => boolean
  readonly header?: (image: Cursor) => ImageHeader
}

const begins =
  (...beginnings: ReadonlyArray<string>) =>
  (start: string): boolean =>
    beginnings.some((beginning) => start.startsWith(beginning))

/** Matches ISO base media files by their major brand. */
const isMedia =
  (...brands: ReadonlyArray<string>) =>
  (start: string): boolean =>
    start.slice(4, 8) === "ftyp" && brands.includes(start.slice(8, 12))

/** The first match counts. */
const signatures: ReadonlyArray<Signature> = [
  { name: "a PNG", fits: begins(PNG_SIGNATURE), header: pngHeader },
  { name: "a JPEG", fits: begins("\xff\xd8\xff"), header: jpegHeader },
  { name: "a WebP", fits: (start) => start.startsWith("RIFF") && start.slice(8, 12) === "WEBP", header: webpHeader },
  { name: "a GIF", fits: begins("GIF87a", "GIF89a") },
  { name: "a BMP", fits: (start) => start.startsWith("BM") && start.slice(6, 10) === "\0\0\0\0" },
  { name: "a TIFF", fits: begins("II*\0", "MM\0*") },
  { name: "an AVIF", fits: isMedia("avif", "avis") },
  { name: "a HEIC", fits: isMedia("heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1") },
  { name: "a JPEG XL", fits: begins("\xff\x0a", "\0\0\0\x0cJXL ") },
  { name: "a JPEG 2000", fits: begins("\0\0\0\x0cjP  ", "\xff\x4f\xff\x51") },
  { name: "an SVG", fits: (start) => /^(\xef\xbb\xbf)?\s*</.test(start) && /<svg[\s>]/.test(start) }
]

const expected = "expected PNG, JPEG or WebP"

/** Parses a header. Throws Refused for an unsupported format, a damaged file or an image over a limit, and CutShort if more bytes are needed. */
export const parsedHeader = (bytes: Uint8Array): ImageHeader => {
  if (bytes.length === 0) throw new Refused(`is empty; ${expected}`)
  const image = new Cursor(bytes)
  const start = image.text(0, Math.min(256, bytes.length))
  const signature = signatures.find(({ fits }) => fits(start))
  if (signature === undefined) {
    // its first bytes may explain why
    throw new Refused(
      `is not a known kind of image: it begins with "${printableLine(start.slice(0, 12))}"; ${expected}`
    )
  }
  if (signature.header === undefined) throw new Refused(`is ${signature.name} image; ${expected}`)
  const header = signature.header(image)
  const { width, height } = header
  if (width === 0 || height === 0) throw new Refused(`is damaged: its size is ${width} × ${height}`)
  const size = `${wholeNumber(width)} × ${wholeNumber(height)} pixels`
  if (width * height > limit("image-pixels")) throw new Refused(`has ${size}, more than ${overLimit("image-pixels")}`)
  if (Math.max(width, height) > limit("image-side"))
    throw new Refused(`has ${size}, a side of more than ${overLimit("image-side")}`)
  return header
}
