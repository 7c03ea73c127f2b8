/**
 * ZIP archives with random access: entries of the central directory, stored or deflated, with ZIP64. Archives
 * come from outside, so their content is verified: names must stay inside, links and encrypted entries are rejected, entries must not share bytes,
 * and their content must have the length and the checksum in the directory.
 *
 * @see https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT 4.3.7, 4.3.12, 4.3.14 to 4.3.16, 4.5.3
 */
import * as Effect from "effect/Effect"
import { cut, limit, messageOf, overLimit } from "../boundary/index.ts"
import { crc32 } from "../images/index.ts"
import { DataError, dataError } from "./data-error.ts"
import type { DataFile } from "./file.ts"
import { chunkBytes, growth, type Write } from "./packed-file.ts"

interface ZipEntry {
  /** path from the archive, with "/" */
  readonly name: string
  /** uncompressed size in bytes */
  readonly size: number
  readonly packed: number
  readonly sum: number
  readonly isDeflated: boolean
  /** offset of its header in the archive */
  readonly offset: number
}

/** An open archive. */
export interface Zip {
  readonly name: string
  /** regular files, without hidden ones */
  readonly entries: ReadonlyMap<string, ZipEntry>
  /** Reads all bytes of an entry. */
  readonly read: (name: string) => Effect.Effect<Uint8Array, DataError>
  /** Streams the bytes of an entry to `write`. */
  readonly write: (name: string, write: Write, signal: AbortSignal) => Promise<void>
}

const [localSize, centralSize, endSize, endMost] = [30, 46, 22, 22 + 0xffff]
const [localMark, centralMark, endMark, endMark64, placeMark64] = [
  0x04034b50, 0x02014b50, 0x06054b50, 0x06064b50, 0x07064b50
]
const [isEncrypted, isUtf8] = [1, 1 << 11]
// file type bits of a Unix mode
const [typeBits, regular, folder, link] = [0o170000, 0o100000, 0o040000, 0o120000]

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
const u64 = (view: DataView, at: number): number => Number(view.getBigUint64(at, true))

/** Finds the central directory, and its number of entries. */
const directoryOf = (file: DataFile) =>
  Effect.gen(function* () {
    const tail = yield* file.read(Math.max(0, file.size - endMost), Math.min(endMost, file.size))
    const view = viewOf(tail)
    let at = tail.length - endSize
    while (at >= 0 && view.getUint32(at, true) !== endMark) at--
    if (at < 0) return yield* dataError(file.name, "this is not a ZIP archive, or its end is missing")
    const plain = {
      entries: view.getUint16(at + 10, true),
      size: view.getUint32(at + 12, true),
      offset: view.getUint32(at + 16, true)
    }
    if (plain.entries !== 0xffff && plain.size !== 0xffff_ffff && plain.offset !== 0xffff_ffff) return plain
    if (at < 20 || view.getUint32(at - 20, true) !== placeMark64) return plain
    const recordOffset = u64(view, at - 12)
    if (recordOffset + 56 > file.size) return plain
    const large = viewOf(yield* file.read(recordOffset, 56))
    if (large.getUint32(0, true) !== endMark64) return plain
    return { entries: u64(large, 32), size: u64(large, 40), offset: u64(large, 48) }
  })

const deepest = 100

/** Returns the problem of an entry's name, as the end of a sentence, or undefined. */
const wrongName = (name: string): string | undefined => {
  // a folder without a name would be its own parent
  if (name === "" || name.includes("\0") || name.includes("//")) return "is not a name"
  if (/^([/\\]|[a-z]:)/i.test(name) || name.split(/[/\\]/).includes("..")) return "points outside of the archive"
  return name.split("/").length > deepest ? `is more than ${deepest} folders deep` : undefined
}

/** Matches names that end in "/" or begin with a dot, and those that macOS adds. */
const isLeftOut = (name: string): boolean =>
  name.endsWith("/") || name.split("/").some((part) => part.startsWith(".") || part === "__MACOSX")

const latin1 = new TextDecoder("latin1")
const utf8 = new TextDecoder()

interface Listed {
  readonly entry: ZipEntry
  /** offset after its header in the directory */
  readonly next: number
  readonly problem: string | undefined
}

/** Parses the entry whose directory header is at `at`. Returns undefined if there is none. */
const entryAt = (bytes: Uint8Array, view: DataView, at: number): Listed | undefined => {
  if (at + centralSize > bytes.length || view.getUint32(at, true) !== centralMark) return undefined
  const flags = view.getUint16(at + 8, true)
  const method = view.getUint16(at + 10, true)
  const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => view.getUint16(at + field, true))
  const afterName = at + centralSize + nameLength!
  const next = afterName + extraLength! + commentLength!
  if (next > bytes.length) return undefined
  const rawName = bytes.subarray(at + centralSize, afterName)
  const name = ((flags & isUtf8) === 0 ? latin1 : utf8).decode(rawName).replaceAll("\\", "/")
  const [packed, size, offset] = largeFields(view, at, afterName, afterName + extraLength!)
  const type = (view.getUint32(at + 38, true) >>> 16) & typeBits
  const problem =
    wrongName(name) ??
    ((flags & isEncrypted) !== 0
      ? "is encrypted; unpack the archive with its password, and take the folder"
      : undefined) ??
    (method !== 0 && method !== 8 ? `is packed by method ${method}; expected deflate (8) or none (0)` : undefined) ??
    (type === link ? "is a link, and links are not followed" : undefined) ??
    (type !== 0 && type !== regular && type !== folder ? "is not a regular file" : undefined) ??
    (method === 0 && packed !== size ? "has two sizes" : undefined)
  const sum = view.getUint32(at + 16, true)
  return { entry: { name, size, packed, sum, isDeflated: method === 8, offset }, next, problem }
}

/** Reads an entry's sizes and offset, from the ZIP64 field after the name for those that exceed 32 bits. */
const largeFields = (view: DataView, at: number, from: number, end: number): readonly [number, number, number] => {
  const fields = {
    size: view.getUint32(at + 24, true),
    packed: view.getUint32(at + 20, true),
    offset: view.getUint32(at + 42, true)
  }
  for (let extra = from; extra + 4 <= end; extra += 4 + view.getUint16(extra + 2, true)) {
    if (view.getUint16(extra, true) !== 1) continue
    let value = extra + 4
    for (const name of ["size", "packed", "offset"] as const) {
      if (fields[name] !== 0xffff_ffff || value + 8 > end) continue
      fields[name] = u64(view, value)
      value += 8
    }
  }
  return [fields.packed, fields.size, fields.offset]
}

/** Opens an archive. Fails with all rejected entries. */
export const openZip = (file: DataFile): Effect.Effect<Zip, DataError> =>
  Effect.gen(function* () {
    const damaged = (damage: string) => dataError(file.name, `the archive is damaged: ${damage}`)
    const directory = yield* directoryOf(file)
    if (directory.entries > limit("image-files"))
      return yield* dataError(file.name, `the archive has more than ${overLimit("image-files")}`)
    if (directory.size > limit("text-file-bytes"))
      return yield* dataError(file.name, `the archive's directory has more than ${overLimit("text-file-bytes")}`)
    if (directory.offset + directory.size > file.size) return yield* damaged("its directory is outside of the file")
    const bytes = yield* file.read(directory.offset, directory.size)
    const view = viewOf(bytes)
    const entries = new Map<string, ZipEntry>()
    const problems: Array<string> = []
    const add = growth(file)
    const all: Array<ZipEntry> = []
    for (let i = 0, at = 0; i < directory.entries; i++) {
      const listed = entryAt(bytes, view, at)
      if (listed === undefined) return yield* damaged(`its directory has ${i} entries, expected ${directory.entries}`)
      const { entry, problem } = listed
      at = listed.next
      all.push(entry)
      if (problem !== undefined) problems.push(`${file.name}: the entry "${cut(entry.name, 100)}" ${problem}`)
      else if (!isLeftOut(entry.name)) {
        if (entries.has(entry.name)) return yield* damaged(`two entries are called "${cut(entry.name, 100)}"`)
        entries.set(entry.name, entry)
        yield* Effect.try({ try: () => add(entry.size), catch: (error) => error as DataError })
      }
    }
    if (problems.length > 0)
      return yield* new DataError({ where: file.name, problems: problems.slice(0, 10), total: problems.length })
    // shared bytes unpack twice: a small archive could expand to a large one
    const ends = all.toSorted((a, b) => a.offset - b.offset)
    const after = (i: number): number => ends[i + 1]?.offset ?? directory.offset
    if (ends.some(({ offset, packed }, i) => offset + localSize + packed > after(i)))
      return yield* damaged("its entries overlap")
    return zipOf(file, entries)
  })

const zipOf = (file: DataFile, entries: ReadonlyMap<string, ZipEntry>): Zip => {
  const write: Zip["write"] = async (name, write, signal) => {
    const entry = entries.get(name)
    if (entry === undefined) throw dataError(file.name, `the archive has no entry "${cut(name, 100)}"`)
    const entryName = `${file.name}/${name}`
    let [size, sum] = [0, 0]
    try {
      for await (const bytes of unpackedEntry(file, entry, signal)) {
        size += bytes.length
        if (size > entry.size) break
        sum = crc32(bytes, 0, bytes.length, sum)
        await write(bytes)
      }
    } catch (cause) {
      throw cause instanceof DataError ? cause : dataError(entryName, `cannot be unpacked: ${messageOf(cause)}`)
    }
    if (size !== entry.size || sum !== entry.sum)
      throw dataError(entryName, "does not match the archive's directory; the archive is damaged or was forged")
  }
  const read: Zip["read"] = (name) =>
    Effect.tryPromise({
      try: async (signal) => {
        // callers that read all of an entry have bounded its size
        const bytes = new Uint8Array(entries.get(name)?.size ?? 0)
        let at = 0
        await write(
          name,
          async (part) => {
            bytes.set(part, at)
            at += part.length
          },
          signal
        )
        return bytes
      },
      catch: (cause) => (cause instanceof DataError ? cause : dataError(file.name, messageOf(cause)))
    })
  return { name: file.name, entries, read, write }
}

/** Streams the bytes of an entry until the consumer stops. */
async function* unpackedEntry(file: DataFile, entry: ZipEntry, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const read = (position: number, length: number) => Effect.runPromise(file.read(position, length), { signal })
  const header = viewOf(await read(entry.offset, localSize))
  if (header.getUint32(0, true) !== localMark) throw new Error("its header is missing")
  const from = entry.offset + localSize + header.getUint16(26, true) + header.getUint16(28, true)
  if (from + entry.packed > file.size) throw new Error("it ends beyond the end of the archive")
  let at = 0
  const packed = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: async (controller) => {
      const length = Math.min(chunkBytes, entry.packed - at)
      if (length === 0) return controller.close()
      controller.enqueue(new Uint8Array(await read(from + at, length)))
      at += length
    }
  })
  const stream = entry.isDeflated ? packed.pipeThrough(new DecompressionStream("deflate-raw")) : packed
  const reader = stream.getReader()
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}
