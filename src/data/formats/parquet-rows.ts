/**
 * Reads the rows of one or several consecutive Parquet files by `hyparquet` and writes them once as JSON lines, one row group
 * after the other, so that line n is row n of the file. Decodes requested columns only.
 *
 * Memory: one row group (the unit in which the format compresses a column) and its rows.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import {
  type AsyncBuffer,
  type Compressors,
  type FileMetaData,
  type ParquetParsers,
  parquetMetadata,
  parquetReadObjects,
  parquetSchema,
  type RowGroup,
  type SchemaElement,
  type SchemaTree
} from "hyparquet"
import { limit, overLimit } from "../../boundary/index.ts"
import { parseBoundedJson } from "../../files/index.ts"
import { type DataError, dataError } from "../data-error.ts"
import type { DataFile } from "../file.ts"
import { growth, spilled, type Write } from "../packed-file.ts"
import { columnProblems, tooManyColumns, type Wanted } from "./format.ts"
import { type Column, checkRowGroup, checkThrift, placesOf } from "./parquet-bounds.ts"

/** Words an exception: those that are not the library's own errors are caused by invalid lengths or missing parts. */
const failed = (cause: unknown): string => {
  const isStray = cause instanceof RangeError || cause instanceof TypeError
  return `cannot be read as parquet: ${isStray ? "its parts are inconsistent" : cause instanceof Error ? cause.message : cause}`
}

/** Writes the requested rows as JSON lines, and counts all rows. The first file determines the columns. */
export const asJsonLines = (
  files: readonly [DataFile, ...ReadonlyArray<DataFile>],
  wanted: Wanted
): Effect.Effect<{ readonly lines: DataFile; readonly count: number }, DataError, Scope.Scope> =>
  Effect.gen(function* () {
    const [{ name }] = files
    const tables: Array<{ readonly packed: DataFile; readonly table: Table; readonly rows: number }> = []
    for (const packed of files) {
      const { metadata, tree } = yield* Effect.tryPromise({
        try: () => readFooter(packed),
        catch: (cause) => dataError(packed.name, failed(cause))
      })
      const names = tree.children.map(({ element }) => element.name)
      const problems = tooManyColumns(names) ?? columnProblems(names, wanted)
      if (problems.length > 0) return yield* dataError(packed.name, problems.join("; "))
      const { required = [], optional = [] } = wanted.columns ?? {}
      const columnNames = new Set(
        wanted.columns === undefined ? names : [...required.map(({ name }) => name), ...optional]
      )
      tables.push({ packed, table: tableOf(metadata, tree, columnNames), rows: Number(metadata.num_rows) })
    }
    const count = tables.reduce((sum, { rows }) => sum + rows, 0)
    if (count === 0) return yield* dataError(name, "the file has no rows; at least one is needed")
    const write = async (into: Write, signal: AbortSignal) => {
      let row = 0
      for (const { packed, table, rows } of tables) {
        await writeRows(packed, table, { row, first: wanted.first ?? Number.POSITIVE_INFINITY }, into, signal)
        row += rows
      }
    }
    const size = files.reduce((sum, file) => sum + file.size, 0)
    return { lines: yield* spilled({ name, size }, write, failed), count }
  })

const tail = 8 // length of the footer, "PAR1"

/** Reads the footer, after counting its values. */
const readFooter = async (file: DataFile): Promise<{ readonly metadata: FileMetaData; readonly tree: SchemaTree }> => {
  if (file.size < tail) throw new Error("it is too short")
  const read = readRange(file)
  const end = await read(file.size - tail, file.size)
  const view = new DataView(end.buffer, end.byteOffset)
  if (view.getUint32(4, true) !== 0x31524150) throw new Error('it does not end in "PAR1"')
  const length = view.getUint32(0, true)
  if (length > file.size - tail) throw new Error(`its footer claims to have ${length} of its ${file.size} bytes`)
  if (length > limit("text-file-bytes")) throw new Error(`its footer is longer than ${overLimit("text-file-bytes")}`)
  const footer = await read(file.size - tail - length, file.size)
  const tooMany = `its footer holds more than ${overLimit("parquet-footer-values")}; write the file with larger row groups`
  checkThrift(new DataView(footer.buffer, footer.byteOffset), 0, limit("parquet-footer-values"), tooMany)
  const metadata = parquetMetadata(footer, { geoparquet: false })
  if (metadata.schema.some(({ name }) => typeof name !== "string")) throw new Error("one of its columns has no name")
  return { metadata, tree: parquetSchema(metadata) }
}

/** The requested part of a file: the library traverses all that it receives for every row group. */
interface Table {
  readonly columns: ReadonlyArray<string>
  readonly tree: SchemaTree
  readonly metadata: Omit<FileMetaData, "row_groups">
  readonly groups: ReadonlyArray<RowGroup>
}

const tableOf = (metadata: FileMetaData, tree: SchemaTree, columnNames: ReadonlySet<string>): Table => {
  const children = tree.children.filter(({ element }) => columnNames.has(element.name))
  const schema = [{ ...tree.element, num_children: children.length }, ...children.flatMap(elementsOf)]
  const groups = metadata.row_groups.map((group) => ({
    ...group,
    columns: group.columns.filter(({ meta_data: of }) => of === undefined || columnNames.has(of.path_in_schema[0]!))
  }))
  return {
    columns: children.map(({ element }) => element.name),
    tree: { ...tree, children },
    metadata: { ...metadata, schema },
    groups
  }
}

const elementsOf = ({ element, children }: SchemaTree): ReadonlyArray<SchemaElement> => [
  element,
  ...children.flatMap(elementsOf)
]

// Lines are written together, enough for an efficient write.
const lettersPerWrite = 1 << 20

const writeRows = async (
  packed: DataFile,
  { columns, tree, metadata, groups }: Table,
  { row: before, first }: { readonly row: number; readonly first: number },
  write: Write,
  signal: AbortSignal
): Promise<void> => {
  const utf8 = new TextEncoder()
  const read = readRange(packed)
  const grow = growth(packed)
  let row = before
  // of all row groups: some files have one for each row
  let lines = ""
  for (const group of groups) {
    signal.throwIfAborted()
    if (row >= first) break
    const rows = Number(group.num_rows)
    const described = group.columns.flatMap(({ meta_data: of }) => (of === undefined ? [] : [of]))
    const chunks: Array<Held & Column> = []
    for (const chunkPlace of placesOf(rows, described, tree, packed.size)) {
      chunks.push({ ...chunkPlace, bytes: await read(chunkPlace.start, chunkPlace.end) })
    }
    // row groups may be many, and share their bytes; the library compares the columns with one another in each
    grow(rows + columns.length ** 2)
    checkRowGroup(chunks, compressors(), grow)
    const objects = await parquetReadObjects({
      file: asyncBuffer(packed.size, chunks),
      metadata: { ...metadata, row_groups: [group] },
      columns: [...columns],
      rowEnd: Math.min(first - row, rows),
      compressors: compressors(),
      parsers,
      utf8: false
    })
    for (const object of objects) {
      lines += lineOf(object, ++row)
      if (lines.length < lettersPerWrite) continue
      await write(utf8.encode(lines))
      lines = ""
    }
  }
  await write(utf8.encode(lines))
}

/** Formats a row as a line. */
const lineOf = (object: object, row: number): string => {
  const most = limit("row-bytes")
  let letters = 0
  const counted = (name: string, value: unknown): unknown => {
    letters += name.length + (typeof value === "string" || value instanceof Uint8Array ? value.length : 1)
    if (letters > most) throw new Error(`row ${row} is longer than ${overLimit("row-bytes")}`)
    if (value instanceof Uint8Array) return textOrBytes(value)
    return typeof value === "bigint" ? Number(value) : value // JSON does not have 64 bits
  }
  return `${JSON.stringify(object, counted)}\n`
}

const utf8 = new TextDecoder()
const onlyUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Decodes bytes: columns need not declare that they contain text. Other bytes (an image) become a data: URI. */
const textOrBytes = (bytes: Uint8Array): string => {
  try {
    return onlyUtf8.decode(bytes)
  } catch {
    return `data:;base64,${base64Of(bytes)}`
  }
}

// maximum number of arguments of a call
const lettersPerCall = 1 << 15

const base64Of = (bytes: Uint8Array): string => {
  let letters = ""
  for (let at = 0; at < bytes.length; at += lettersPerCall) {
    letters += String.fromCharCode(...bytes.subarray(at, at + lettersPerCall))
  }
  return btoa(letters)
}

/** JSON columns are parsed when their row is written: the parsed values of a row group could be many times as large as their text. */
const parsers: Partial<ParquetParsers> = {
  jsonFromBytes: (bytes: Uint8Array | undefined) =>
    bytes === undefined
      ? undefined
      : {
          toJSON: () => {
            if (bytes.length > limit("row-bytes")) throw new Error(`a value is longer than ${overLimit("row-bytes")}`)
            const parsed = parseBoundedJson(utf8.decode(bytes))
            if ("problem" in parsed) throw new Error(`a value of a column of JSON ${parsed.problem}`)
            return parsed.value
          }
        }
}

const readRange =
  ({ read }: DataFile) =>
  (from: number, to: number): Promise<Uint8Array> =>
    Effect.runPromise(read(from, to - from))

/** Bytes of a file, with their offset. */
interface Held {
  readonly start: number
  readonly bytes: Uint8Array
}

/** Provides loaded parts of a file to the library. It requests small neighbours together, with the bytes between them. */
const asyncBuffer = (size: number, chunks: ReadonlyArray<Held>): AsyncBuffer => ({
  byteLength: size,
  slice: (from, to = size) => {
    const chunk = chunks.find(({ start, bytes }) => start === from && start + bytes.length === to)?.bytes.buffer
    if (chunk instanceof ArrayBuffer && chunk.byteLength === to - from) return chunk
    const range = new Uint8Array(to - from)
    for (const { start, bytes } of chunks) {
      const part = bytes.subarray(Math.max(0, from - start), Math.max(0, to - start))
      if (part.length > 0) range.set(part, Math.max(0, start - from))
    }
    return range.buffer
  }
})

/** Snappy is the library's own; the others are the system's, if available. None decompresses more than a page declares. */
const compressors = (): Compressors => {
  const { process } = globalThis as { readonly process?: NodeJS.Process }
  if (typeof process?.getBuiltinModule !== "function") return {}
  const zlib = process.getBuiltinModule("node:zlib")
  const within =
    (unpack: (input: Uint8Array, options: { readonly maxOutputLength: number }) => Uint8Array) =>
    (input: Uint8Array, size: number): Uint8Array => {
      try {
        return unpack(input, { maxOutputLength: Math.max(1, size) })
      } catch (cause) {
        throw new Error(`a page does not unpack to its ${size} bytes`, { cause })
      }
    }
  return {
    GZIP: within(zlib.gunzipSync),
    BROTLI: within(zlib.brotliDecompressSync),
    ZSTD: within(zlib.zstdDecompressSync)
  }
}
