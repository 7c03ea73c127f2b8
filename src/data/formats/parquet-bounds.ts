/**
 * Bounds the cost of a Parquet file before it is decoded. The library trusts every number in a file: the number of values of a page,
 * the length of a run, the size of a page. A file of a hundred bytes can declare 2³¹ for each. So values of the footer are counted before it is
 * parsed, and the pages of a row group are traversed, decompressed and measured before the library reads the same bytes.
 *
 * Limits apply to a row group, which is held in memory at once, and to the sum of all row groups in proportion to the file: a file of
 * any size with row groups of the usual size can be read.
 *
 * Errors are the ends of sentences that begin with the file's name.
 */
import type { ColumnMetaData, Compressors, PageHeader, SchemaTree } from "hyparquet"
import { parquetHeader } from "hyparquet/src/column.js"
import { decompressPage } from "hyparquet/src/datapage.js"
import { deltaBinaryUnpack } from "hyparquet/src/delta.js"
import { readRleBitPackedHybrid } from "hyparquet/src/encoding.js"
import { getMaxDefinitionLevel, getMaxRepetitionLevel, getTreePath, isFlatColumn } from "hyparquet/src/schema.js"
import { readVarInt } from "hyparquet/src/thrift.js"
import { limit, overLimit } from "../../boundary/index.ts"

interface Reader {
  readonly view: DataView
  offset: number
}

const readerOf = (bytes: Uint8Array, offset = 0): Reader => ({
  view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
  offset
})

/** Types of Thrift's compact protocol. */
const [stop, yes, no, byte, i16, i32, i64, double, binary, list, structure] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12]
// a footer has five levels, a page header three
const deepestThrift = 16
// a page header has about twenty values
const largestPageHeader = 1_000

/** Traverses the Thrift struct at `offset` without building it. Throws if it has more than `most` values. */
export const checkThrift = (view: DataView, offset: number, most: number, tooMany: string): void => {
  const reader = { view, offset }
  let values = 0
  const skip = (bytes: number) => {
    reader.offset += bytes
    if (bytes < 0 || reader.offset > view.byteLength) throw new Error("a length in it points past its end")
  }
  const walkValue = (type: number, depth: number): void => {
    if (++values > most) throw new Error(tooMany)
    if (type === byte) skip(1)
    else if (type === i16 || type === i32 || type === i64) readVarInt(reader)
    else if (type === double) skip(8)
    else if (type === binary) skip(readVarInt(reader))
    else if (type === list) walkList(depth)
    else if (type === structure) walkStruct(depth + 1)
    else if (type !== yes && type !== no) throw new Error(`it holds a value of the unknown type ${type}`)
  }
  const walkList = (depth: number): void => {
    if (depth > deepestThrift) throw new Error("its lists are nested too deeply")
    const head = view.getUint8(reader.offset++)
    const size = head >> 4 === 15 ? readVarInt(reader) : head >> 4
    const type = head & 15
    for (let i = 0; i < size; i++) walkValue(type === yes || type === no ? byte : type, depth + 1)
  }
  const walkStruct = (depth: number): void => {
    if (depth > deepestThrift) throw new Error("its structures are nested too deeply")
    for (let head = view.getUint8(reader.offset++); (head & 15) !== stop; head = view.getUint8(reader.offset++)) {
      if (head >> 4 === 0) readVarInt(reader) // the field's number
      walkValue(head & 15, depth)
    }
  }
  walkStruct(0)
}

/** Cost of a row group so far. */
export interface GroupCost {
  /** decompressed bytes of its pages */
  bytes: number
  /** values of its columns; a value in a list counts once per level */
  values: number
}

const smaller = "write the file with smaller row groups"

/** Adds to the cost of a row group. Throws if it exceeds a limit. */
const spend = (cost: GroupCost, bytes: number, values: number): void => {
  cost.bytes += bytes
  cost.values += values
  if (cost.bytes > limit("parquet-group-bytes")) {
    throw new Error(`it has a row group that unpacks to more than ${overLimit("parquet-group-bytes")}; ${smaller}`)
  }
  if (cost.values > limit("parquet-group-values")) {
    throw new Error(`it has a row group of more than ${overLimit("parquet-group-values")}; ${smaller}`)
  }
}

/** A column of a row group. */
export interface Column {
  readonly metadata: ColumnMetaData
  readonly path: ReadonlyArray<SchemaTree>
  readonly rows: number
  /** offset in the file */
  readonly start: number
  readonly end: number
}

/** Returns the positions of a row group's columns, from the footer. Throws if the declared cost exceeds a limit. */
export const placesOf = (
  rows: number,
  columns: ReadonlyArray<ColumnMetaData>,
  tree: SchemaTree,
  fileSize: number
): ReadonlyArray<Column> => {
  if (!(rows >= 0)) throw new Error(`it has a row group of ${rows} rows`)
  const declared: GroupCost = { bytes: 0, values: 0 }
  spend(declared, 0, rows)
  return columns.map((metadata) => {
    const column = columnOf(metadata, tree, rows, fileSize)
    const bytes = Math.max(column.end - column.start, Number(metadata.total_uncompressed_size))
    spend(declared, bytes, Math.max(0, Number(metadata.num_values)) * (column.path.length - 1))
    return column
  })
}

const columnOf = (metadata: ColumnMetaData, tree: SchemaTree, rows: number, fileSize: number): Column => {
  const columnName = metadata.path_in_schema.join(".")
  const start = Number(metadata.dictionary_page_offset || metadata.data_page_offset)
  const end = start + Number(metadata.total_compressed_size)
  if (!(0 <= start && start <= end && end <= fileSize)) {
    throw new Error(`its column "${columnName}" claims to be at bytes ${start} to ${end} of ${fileSize}`)
  }
  const path = getTreePath(tree, metadata.path_in_schema)
  const { type_length: length, logical_type: logical } = path.at(-1)!.element
  const kind = path.map(({ element }) => element.logical_type?.type).find((type) => unread.has(type ?? ""))
  // a text of any length instead of 16 bytes would become a list of numbers
  const wrong =
    kind ?? (logical?.type === "UUID" && length !== 16 ? `UUID of ${length ?? "any number of"} bytes` : undefined)
  if (wrong !== undefined) throw new Error(`its column "${columnName}" is of the type ${wrong}, which is not supported`)
  return { metadata, path, rows, start, end }
}

/** Types whose values are trees of any size encoded in few bytes, and not texts. */
const unread: ReadonlySet<string> = new Set(["VARIANT", "GEOMETRY", "GEOGRAPHY"])

// decoding a value takes as long as decoding this number of bytes of text
const bytesPerValue = 3

/**
 * Checks the columns of a row group: the metadata in the footer, then the headers of their pages, then the content of the pages.
 * Throws if the cost of the row group exceeds a limit, or if the data are inconsistent. `columns`: their bytes, at the positions from
 * `placesOf`; `spent`: called with their cost before a page is decompressed.
 */
export const checkRowGroup = (
  columns: ReadonlyArray<Column & { readonly bytes: Uint8Array }>,
  compressors: Compressors,
  spent: (cost: number) => void
): void => {
  const cost: GroupCost = { bytes: 0, values: 0 }
  const pages = columns.flatMap((column) => pagesOf(column, cost))
  spent(cost.bytes + bytesPerValue * cost.values)
  const before = cost.bytes
  for (const page of pages) checkPage(page, compressors, cost)
  spent(cost.bytes - before)
}

interface Page {
  readonly column: Column
  readonly header: PageHeader
  /** bytes after the header */
  readonly packed: Uint8Array
}

const pagesOf = (column: Column & { readonly bytes: Uint8Array }, cost: GroupCost): ReadonlyArray<Page> => {
  const { bytes, metadata, path, rows } = column
  const reader = readerOf(bytes)
  const flat = isFlatColumn([...path])
  const pages: Array<Page> = []
  let valuesRead = 0
  // ends where the library's own loop does
  while (reader.offset < bytes.length - 1 && (!flat || valuesRead < rows)) {
    checkThrift(reader.view, reader.offset, largestPageHeader, "the header of a page is too long")
    const header = parquetHeader(reader)
    const size = sizeOf("page", header.compressed_page_size)
    const packed = bytes.subarray(reader.offset, reader.offset + size)
    if (packed.length < size) throw new Error(`a page of ${size} bytes extends past the end of its column`)
    reader.offset += size
    const { type, dictionary_page_header: dictionary, data_page_header: v1, data_page_header_v2: v2 } = header
    const holds = type === "DICTIONARY_PAGE" ? dictionary : type === "DATA_PAGE" ? v1 : v2
    const values = sizeOf("number of values", holds?.num_values)
    spend(cost, sizeOf("page", header.uncompressed_page_size), values * (path.length - 1))
    if (type !== "DICTIONARY_PAGE") valuesRead += values
    if (valuesRead > Number(metadata.num_values)) throw new Error("a column has more values than its metadata says")
    pages.push({ column, header, packed })
  }
  return pages
}

const checkPage = ({ column, header, packed }: Page, compressors: Compressors, cost: GroupCost): void => {
  const { type, data_page_header: v1, data_page_header_v2: v2, uncompressed_page_size: size } = header
  const unpack = (part: Uint8Array, size: number) => decompressPage(part, size, column.metadata.codec, compressors)
  if (type === "DATA_PAGE" && v1 !== undefined) checkValuesV1(unpack(packed, size), v1, column, cost)
  if (type === "DATA_PAGE_V2" && v2 !== undefined) checkValuesV2(packed, size, v2, column, unpack, cost)
}

const sizeOf = (quantity: string, value: unknown): number => {
  if (typeof value === "number" && value >= 0) return value
  throw new Error(`a ${quantity} is ${value}`)
}

const bitWidth = (most: number): number => 32 - Math.clz32(most)

type Header = NonNullable<PageHeader["data_page_header"]>
type HeaderV2 = NonNullable<PageHeader["data_page_header_v2"]>

/** Levels and values follow each other, the former with their lengths. */
const checkValuesV1 = (
  page: Uint8Array,
  { num_values: count, encoding }: Header,
  column: Column,
  cost: GroupCost
): void => {
  const path = [...column.path]
  const reader = readerOf(page)
  let nulls = 0
  for (const most of [getMaxRepetitionLevel(path), getMaxDefinitionLevel(path)]) {
    if (most === 0) continue
    checkRuns(reader, reader.offset + 4, bitWidth(most), count)
    const levels = new Array<number>(count)
    readRleBitPackedHybrid(reader, bitWidth(most), levels)
    nulls = levels.reduce((total, level) => (level === most ? total : total + 1), 0)
  }
  // length of the definition levels, which come last; a column without them has no nulls
  const present = getMaxDefinitionLevel(path) === 0 ? count : count - nulls
  checkValues(reader, present, { encoding, version: 1 }, column, cost)
}

/** Levels are not compressed, and their lengths are in the header. */
const checkValuesV2 = (
  packed: Uint8Array,
  size: number,
  header: HeaderV2,
  column: Column,
  unpack: (part: Uint8Array, size: number) => Uint8Array,
  cost: GroupCost
): void => {
  const path = [...column.path]
  const repetition = sizeOf("length of levels", header.repetition_levels_byte_length)
  const definition = sizeOf("length of levels", header.definition_levels_byte_length)
  const [mostRepeated, mostDefined] = [getMaxRepetitionLevel(path), getMaxDefinitionLevel(path)]
  const reader = readerOf(packed)
  if (mostRepeated > 0) checkRuns(reader, 0, bitWidth(mostRepeated), header.num_values)
  if (mostDefined > 0) checkRuns(reader, repetition, bitWidth(mostDefined), header.num_values)
  const values = packed.subarray(repetition + definition)
  const valueBytes = sizeOf("page", size - repetition - definition)
  const page = header.is_compressed !== false && valueBytes > 0 ? unpack(values, valueBytes) : values
  const count = sizeOf("number of values", header.num_values - header.num_nulls)
  checkValues(readerOf(page), count, { encoding: header.encoding, version: 2 }, column, cost)
}

// a bit-packed run is padded to a multiple of eight values, by some writers with their largest run
const filledUp = 504

/** Traverses the runs of equal and of bit-packed values at `start`, as the library does. Throws if one is longer than its target. */
const checkRuns = ({ view }: Reader, start: number, width: number, count: number): void => {
  const reader = { view, offset: start }
  if (width > 32) throw new Error(`a page has values of ${width} bits`)
  for (let decoded = 0; decoded < count; ) {
    const head = readVarInt(reader)
    const isPacked = (head & 1) === 1
    const run = isPacked ? (head >> 1) * 8 : head >>> 1
    if (run < 0 || decoded + run > count + filledUp) throw new Error(`a page of ${count} values has a run of ${run}`)
    reader.offset += isPacked ? Math.max(1, (run / 8) * width) : (width + 7) >> 3
    decoded += run
  }
}

/** Checks the values of a page, of which `count` are not null, from the reader's position. */
const checkValues = (
  reader: Reader,
  count: number,
  { encoding, version }: { readonly encoding: string; readonly version: 1 | 2 },
  { metadata, path }: Column,
  cost: GroupCost
): void => {
  const { view } = reader
  switch (encoding) {
    case "PLAIN":
      break // no value without its bytes
    case "RLE":
    case "PLAIN_DICTIONARY":
    case "RLE_DICTIONARY":
      if (version === 1 ? metadata.type === "BOOLEAN" : encoding === "RLE") {
        checkRuns(reader, reader.offset + 4, 1, count) // bits, after their length
      } else if (count > 0) {
        const width = view.getUint8(reader.offset)
        // indices of a dictionary with one entry take no bits, and the first version reads no runs
        if (width > 0 || version === 2) checkRuns(reader, reader.offset + 1, width, count)
      }
      break
    case "BYTE_STREAM_SPLIT": {
      const width = widths[metadata.type] ?? sizeOf("width of values", path.at(-1)!.element.type_length)
      if (count * width > view.byteLength - reader.offset)
        throw new Error(`a page has too few bytes for ${count} values`)
      break
    }
    case "DELTA_BINARY_PACKED":
    case "DELTA_LENGTH_BYTE_ARRAY":
      checkDelta(reader)
      break
    case "DELTA_BYTE_ARRAY": {
      // each value copies its beginning from the previous one, so that few bytes expand to many
      const prefixes = deltas(reader, count)
      const suffixes = deltas(reader, count)
      for (let i = 0; i < count; i++) {
        spend(cost, sizeOf("length of a text", prefixes[i]) + sizeOf("length of a text", suffixes[i]), 0)
      }
      break
    }
    default:
      throw new Error(`a page is in the encoding ${encoding}, which is not supported`)
  }
}

const widths: { readonly [type: string]: number | undefined } = { INT32: 4, FLOAT: 4, INT64: 8, DOUBLE: 8 }

/** Throws for a negative block size, with which the library would read earlier bytes again. */
const checkDelta = ({ view, offset }: Reader): void => {
  const reader = { view, offset }
  const [block, miniblocks] = [readVarInt(reader), readVarInt(reader)]
  if (!(block > 0 && miniblocks > 0 && block % miniblocks === 0)) {
    throw new Error(`a page has blocks of ${block} values in ${miniblocks} parts`)
  }
}

const deltas = (reader: Reader, count: number): Int32Array => {
  const values = new Int32Array(count)
  checkDelta(reader)
  deltaBinaryUnpack(reader, count, values)
  return values
}
