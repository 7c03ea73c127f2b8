/**
 * A folder as one download: a ZIP file of uncompressed files, since weights do not compress. Sizes and sums are in front of each
 * file, so that every program can read it as it comes.
 *
 * @see https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT 4.3.7, 4.3.12, 4.3.16
 */

export interface ZippedFile {
  /** with forward slashes */
  readonly name: string
  readonly bytes: number
  /** CRC-32 of its bytes */
  readonly sum: number
}

/** ZIP without its extension for larger files counts bytes by 32 bits. */
export const LARGEST = 0xffff_ffff

/** and files by 16 */
export const MOST_ZIPPED = 0xffff

const LOCAL = 30
const CENTRAL = 46
const END = 22
/** names are UTF-8 */
const UTF8 = 1 << 11
/** the first day there is: a file of the same bytes is the same file */
const DATE = (1 << 5) | 1

const encoder = new TextEncoder()

/** Bytes of the whole file; more than `LARGEST`: it cannot be written. */
export const zipSize = (files: ReadonlyArray<Pick<ZippedFile, "name" | "bytes">>): number =>
  files.reduce((sum, { name, bytes }) => sum + LOCAL + CENTRAL + 2 * encoder.encode(name).length + bytes, END)

/** What both headers of a file have, from the version that is needed to the length of its name. */
const common = (view: DataView, at: number, { bytes, sum }: ZippedFile, name: Uint8Array) => {
  view.setUint16(at, 20, true)
  view.setUint16(at + 2, UTF8, true)
  view.setUint16(at + 8, DATE, true)
  view.setUint32(at + 10, sum, true)
  view.setUint32(at + 14, bytes, true)
  view.setUint32(at + 18, bytes, true)
  view.setUint16(at + 22, name.length, true)
}

/** What is in front of a file's bytes. */
export const zipHeader = (file: ZippedFile): Uint8Array => {
  const name = encoder.encode(file.name)
  const header = new Uint8Array(LOCAL + name.length)
  const view = new DataView(header.buffer)
  view.setUint32(0, 0x04034b50, true)
  common(view, 4, file, name)
  header.set(name, LOCAL)
  return header
}

/** What comes after all files. */
export const zipEnd = (files: ReadonlyArray<ZippedFile>): Uint8Array => {
  const names = files.map(({ name }) => encoder.encode(name))
  const size = names.reduce((sum, { length }) => sum + CENTRAL + length, 0)
  const end = new Uint8Array(size + END)
  const view = new DataView(end.buffer)
  let at = 0
  let offset = 0
  for (const [i, file] of files.entries()) {
    const name = names[i]!
    view.setUint32(at, 0x02014b50, true)
    view.setUint16(at + 4, 20, true)
    common(view, at + 6, file, name)
    view.setUint32(at + 42, offset, true)
    end.set(name, at + CENTRAL)
    at += CENTRAL + name.length
    offset += LOCAL + name.length + file.bytes
  }
  view.setUint32(at, 0x06054b50, true)
  view.setUint16(at + 8, files.length, true)
  view.setUint16(at + 10, files.length, true)
  view.setUint32(at + 12, size, true)
  view.setUint32(at + 16, offset, true)
  return end
}
