/**
 * The bytes of a GGUF header as values. Everything the file announces is checked against its size before anything is allocated for it. A
 * header does not say how long it is, so the bytes that were read may end before it does.
 *
 *   "GGUF" · version u32 · number of tensors u64 · number of keys u64
 *   key:     name string · type u32 · value              string: length u64, UTF-8      list: type u32, count u64, values
 *   tensor:  name string · dimensions u32 · each u64 · type u32 · offset u64
 *   padding to `general.alignment`
 *
 * `@huggingface/gguf` reads the same format, but it keeps metadata as an object, which drops repeated keys and reorders those that look
 * like numbers; it also drops a byte order mark at a string's beginning, and cuts strings at the ends of its ranges.
 *
 * @see https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
import { limit, overLimit, quoted } from "../../boundary/index.ts"
import { ModelError } from "../model.ts"
import type { BlockType } from "./blocks-of-32.ts"

/** A value of metadata. 64-bit integers are numbers too: rounded beyond 2⁵³, which occurs for seeds and checksums but not for sizes. */
export type MetadataValue = string | number | boolean | ReadonlyArray<MetadataValue>
/** Metadata by key. */
export type Metadata = ReadonlyMap<string, MetadataValue>

/** A tensor of a file. */
export interface GgufTensor {
  readonly name: string
  /** shape, row-major */
  readonly shape: ReadonlyArray<number>
  readonly type: BlockType
  /** file that contains it, one of the parts of a split model */
  readonly file: string
  /** offset in bytes from the start of the file */
  readonly begin: number
  readonly end: number
}

/** Header of a file, or of all parts of a split model. */
export interface GgufHeader {
  /** file that was named, one of the parts of a split model */
  readonly file: string
  readonly metadata: Metadata
  readonly tensors: ReadonlyMap<string, GgufTensor>
}

/** A tensor in the header. */
export interface AnnouncedTensor {
  readonly name: string
  /** dimensions, the fastest first */
  readonly dimensions: ReadonlyArray<number>
  readonly type: number
  /** offset in bytes from the start of the tensors */
  readonly offset: number
}

/** Returns the error of a file with these problems. */
export const problem = (file: string, ...problems: ReadonlyArray<string>) => new ModelError({ folder: file, problems })

/** Parsed header of one file. */
export interface ParsedHeader {
  readonly metadata: Metadata
  readonly tensors: ReadonlyArray<AnnouncedTensor>
  /** byte range of each value in the file, preceded by its type */
  readonly places: ReadonlyMap<string, readonly [begin: number, end: number]>
  /** offset of the first tensor, in bytes */
  readonly tensorsBegin: number
}

/** What is wrong with a header: the end of a sentence that begins with its file. */
class Damage extends Error {}

/** The header continues after the bytes at hand. */
class More extends Error {}

/** Parses a header. `bytes`: the beginning of a file of `fileSize` bytes. Returns "more" if the header is longer. */
export const parseHeader = (
  bytes: Uint8Array<ArrayBuffer>,
  fileSize: number
): ParsedHeader | { readonly problem: string } | "more" => {
  try {
    return read(new Cursor(bytes, fileSize))
  } catch (error) {
    if (error instanceof More) return "more"
    if (error instanceof Damage) return { problem: error.message }
    throw error
  }
}

const MAGIC = 0x46554747 // "GGUF", little-endian
/** ggml's own limit */
const MOST_DIMENSIONS = 4
/** The format allows lists of lists; no file in use has them. */
const DEEPEST_LIST = 4

const read = (cursor: Cursor): ParsedHeader => {
  checkFormat(cursor)
  const tensorCount = cursor.u64()
  const keyCount = cursor.u64()
  for (const [what, count] of [
    ["tensors", tensorCount],
    ["keys", keyCount]
  ] as const) {
    if (count > limit("gguf-entries"))
      throw new Damage(`announces ${count} ${what}, more than ${overLimit("gguf-entries")}`)
  }
  const metadata = new Map<string, MetadataValue>()
  const places = new Map<string, readonly [number, number]>()
  for (let i = 0; i < keyCount; i++) {
    const key = cursor.string()
    if (metadata.has(key)) throw new Damage(`metadata ${quoted(key)} occurs twice: the file is damaged`)
    const begin = cursor.place
    metadata.set(key, cursor.value(cursor.u32(), 0))
    places.set(key, [begin, cursor.place])
  }
  const tensors = new Map<string, AnnouncedTensor>()
  for (let i = 0; i < tensorCount; i++) {
    const name = cursor.string()
    if (tensors.has(name)) throw new Damage(`tensor ${quoted(name)} occurs twice: the file is damaged`)
    const count = cursor.u32()
    if (count < 1 || count > MOST_DIMENSIONS) {
      throw new Damage(`tensor ${quoted(name)} has ${count} dimensions; expected 1 to ${MOST_DIMENSIONS}`)
    }
    const dimensions = Array.from({ length: count }, () => cursor.u64())
    tensors.set(name, { name, dimensions, type: cursor.u32(), offset: cursor.u64() })
  }
  const alignment = metadata.get("general.alignment") ?? 32
  if (typeof alignment !== "number" || alignment < 1 || !Number.isInteger(Math.log2(alignment))) {
    throw new Damage(`general.alignment is ${quoted(alignment)}; expected a power of two`)
  }
  const tensorsBegin = Math.ceil(cursor.place / alignment) * alignment
  return { metadata, places, tensors: [...tensors.values()], tensorsBegin }
}

const checkFormat = (cursor: Cursor): void => {
  if (cursor.fileSize < 4 || cursor.u32() !== MAGIC) throw new Damage('does not begin with "GGUF": not a GGUF file')
  const version = cursor.u32()
  if (version === 2 || version === 3) return
  if (version === 2 * 2 ** 24 || version === 3 * 2 ** 24)
    throw new Damage("is big-endian; expected a little-endian file")
  throw new Damage(`is of version ${version} of the format; expected 2 or 3 (convert it again)`)
}

/** Types of values by their numbers. */
const STRING = 8
const LIST = 9
const readers: ReadonlyArray<((cursor: Cursor) => MetadataValue) | undefined> = [
  (cursor) => cursor.view.getUint8(cursor.skip(1)),
  (cursor) => cursor.view.getInt8(cursor.skip(1)),
  (cursor) => cursor.view.getUint16(cursor.skip(2), true),
  (cursor) => cursor.view.getInt16(cursor.skip(2), true),
  (cursor) => cursor.u32(),
  (cursor) => cursor.view.getInt32(cursor.skip(4), true),
  (cursor) => cursor.view.getFloat32(cursor.skip(4), true),
  (cursor) => cursor.view.getUint8(cursor.skip(1)) !== 0,
  (cursor) => cursor.string(),
  undefined,
  (cursor) => cursor.u64(),
  (cursor) => Number(cursor.view.getBigInt64(cursor.skip(8), true)),
  (cursor) => cursor.view.getFloat64(cursor.skip(8), true)
]

/** the least that one value takes; strings and lists state how many follow */
const fewestBytes = [1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8]

class Cursor {
  place = 0
  readonly view: DataView
  readonly fileSize: number
  private readonly bytes: Uint8Array<ArrayBuffer>
  // a token may begin with a byte order mark
  private readonly decoder = new TextDecoder("utf-8", { ignoreBOM: true })

  constructor(bytes: Uint8Array<ArrayBuffer>, fileSize: number) {
    this.bytes = bytes
    this.fileSize = fileSize
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** The place of the next `count` bytes, which are there. */
  skip(count: number): number {
    const begin = this.place
    const end = begin + count
    if (end > this.fileSize) {
      throw new Damage(`truncated: its header extends to byte ${end}, the file has ${this.fileSize} bytes`)
    }
    if (end > this.bytes.length) throw new More()
    this.place = end
    return begin
  }

  u32(): number {
    return this.view.getUint32(this.skip(4), true)
  }

  /** beyond 2⁵³ rounded: no size, count or place is so large */
  u64(): number {
    return Number(this.view.getBigUint64(this.skip(8), true))
  }

  string(): string {
    const length = this.u64()
    const begin = this.skip(length)
    return this.decoder.decode(this.bytes.subarray(begin, begin + length))
  }

  value(type: number, depth: number): MetadataValue {
    if (type === LIST) return this.list(depth + 1)
    const reader = readers[type]
    if (reader === undefined) throw new Damage(`a value of type ${type} ends at byte ${this.place}; expected 0 to 12`)
    return reader(this)
  }

  private list(depth: number): ReadonlyArray<MetadataValue> {
    const type = this.u32()
    const count = this.u64()
    const least = this.place + count * (fewestBytes[type] ?? 1)
    if (least > this.fileSize) {
      throw new Damage(
        `truncated: a list of ${count} values extends to byte ${least}, the file has ${this.fileSize} bytes`
      )
    }
    if (count > limit("gguf-list"))
      throw new Damage(`has a list of ${count} values, more than ${overLimit("gguf-list")}`)
    if (depth > DEEPEST_LIST)
      throw new Damage(`has lists in lists, more than ${DEEPEST_LIST} deep: the file is damaged`)
    const values: Array<MetadataValue> = []
    for (let i = 0; i < count; i++) values.push(type === STRING ? this.string() : this.value(type, depth))
    return values
  }
}
