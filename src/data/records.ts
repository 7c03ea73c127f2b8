/**
 * Splits a file into records (lines, or CSV records that may span lines) in a stream: memory holds one chunk plus
 * the longest record, for files of any size.
 */
import * as Effect from "effect/Effect"
import { limit, overLimit } from "../boundary/index.ts"
import { working } from "../progress/index.ts"
import type { Broken } from "./columns.ts"
import { type DataError, dataError } from "./data-error.ts"
import type { DataFile } from "./file.ts"

export interface RawRecord {
  /** bytes with the terminator, and with following blank lines if it was read by position */
  readonly bytes: Uint8Array
  /** byte offset in the file */
  readonly offset: number
  /** first line of the record, from 1 */
  readonly line: number
}

export interface Position {
  readonly offset: number
  readonly line: number
}

/** A file opened for its rows. */
export interface RowFile {
  /** number of rows, if the file declares it */
  readonly count?: number
  /** common properties of a table's rows; absent if each row names its own columns */
  readonly table?: Table
  readonly file: DataFile
  /** start of the first record */
  readonly from: Position
  /** returns a scanner in its initial state */
  readonly ends: () => RecordEnds
  /** Parses records; returns one result for each, in order. */
  readonly parse: (records: ReadonlyArray<RawRecord>) => ReadonlyArray<Value | Broken>
  /** returns the name of a line's row in messages; absent: file and line */
  readonly place?: (line: number) => string
}

/** Returns the place of a line: "train.jsonl:12". */
export const placeOfLine = ({ file, place }: Pick<RowFile, "file" | "place">, line: number): string =>
  place?.(line) ?? `${file.name}:${line}`

export interface Table {
  /** column names, in header order */
  readonly columns: ReadonlyArray<string>
  /** character between columns */
  readonly separator: string
  /** whether programs that open the file expect a byte order mark */
  readonly marked: boolean
}

export interface Value {
  readonly value: unknown
}

/**
 * Finds the end of the current record: the index after its terminator, or −1 if `bytes` ends first.
 * Called on consecutive stretches of the file, each starting at `from`; a quoting format keeps its state between
 * calls.
 */
export type RecordEnds = (bytes: Uint8Array, from: number) => number

const newline = 10
// Large enough that a read costs little compared with parsing its bytes, and small compared with any process.
const chunkBytes = 1 << 20

/**
 * Reads a file once: an effect that returns the records of the next chunk, without blank ones, and undefined after the last.
 * The next call overwrites the buffer with their bytes: the caller must be done with the records by then.
 */
export const recordReader = ({
  file,
  from,
  ends: scanner
}: Pick<RowFile, "file" | "from" | "ends">): Effect.Effect<ReadonlyArray<RawRecord> | undefined, DataError> => {
  const ends = scanner()
  // no larger than a small file: clearing two megabytes takes longer than reading it
  let buffer = new Uint8Array(Math.max(0, Math.min(2 * chunkBytes, file.size - from.offset)))
  let start = from // of what the buffer holds
  let bufferedBytes = 0 // bytes that it holds
  let rest = from // the first record that was not handed over: its end has not been seen
  const tooLong = (line: number) =>
    dataError(
      `${file.name}:${line}`,
      `the row is longer than ${overLimit("row-bytes")}; write one row per line, and close every quote`
    )
  return Effect.gen(function* () {
    const usedBytes = rest.offset - start.offset
    buffer.copyWithin(0, usedBytes, bufferedBytes)
    bufferedBytes -= usedBytes
    start = rest
    // incomplete record so far
    if (bufferedBytes > limit("row-bytes")) return yield* tooLong(start.line)
    if (start.offset + bufferedBytes >= file.size) {
      const last = { bytes: buffer.subarray(0, bufferedBytes), ...start }
      rest = { offset: file.size, line: start.line }
      return isBlank(buffer, 0, bufferedBytes) ? undefined : [last]
    }
    const chunkSize = Math.min(chunkBytes, file.size - start.offset - bufferedBytes)
    if (bufferedBytes + chunkSize > buffer.length) buffer = enlarged(buffer)
    yield* file.readInto(buffer.subarray(bufferedBytes, bufferedBytes + chunkSize), start.offset + bufferedBytes)
    const cut = cutRecords(buffer.subarray(0, bufferedBytes + chunkSize), bufferedBytes, start, ends)
    bufferedBytes += chunkSize
    rest = cut.next
    const most = limit("row-bytes")
    const long = cut.records.find(({ bytes }) => bytes.length > most)
    if (long !== undefined) return yield* tooLong(long.line)
    return cut.records
  })
}

/** Reports how much of a file has been read. */
export const sayRead = ({ name, size }: DataFile, records: ReadonlyArray<RawRecord>): Effect.Effect<void> => {
  const megabytes = (bytes: number) => Math.ceil(bytes / 1e6)
  return working(`reading ${name}`, { done: megabytes(records[0]?.offset ?? 0), of: megabytes(size), unit: "MB" })
}

/**
 * Streams the file and passes on the records of each chunk, without blank ones. `each` must be done
 * with their bytes when it returns.
 */
export const readRecords = (
  rows: RowFile,
  each: (records: ReadonlyArray<RawRecord>) => void
): Effect.Effect<void, DataError> =>
  Effect.gen(function* () {
    const next = recordReader(rows)
    for (let records = yield* next; records !== undefined; records = yield* next) {
      yield* sayRead(rows.file, records)
      each(records)
    }
  })

/** Returns at most `count` records that are not blank, from the first stretch of the file that has any. */
export const firstRecords = (
  rows: Pick<RowFile, "file" | "from" | "ends">,
  count: number
): Effect.Effect<ReadonlyArray<RawRecord>, DataError> =>
  Effect.gen(function* () {
    const next = recordReader(rows)
    let records = yield* next
    // a chunk may be blank, or end before its first record does
    while (records?.length === 0) records = yield* next
    return records?.slice(0, count) ?? []
  })

/** Returns the start of the next record. */
export const afterRecord = ({ bytes, offset, line }: RawRecord): Position => ({
  offset: offset + bytes.length,
  line: line + newlinesIn(bytes)
})

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Returns the text of a record, or undefined if its bytes are not UTF-8. */
export const textOf = (record: RawRecord): string | undefined => {
  try {
    return utf8.decode(record.bytes)
  } catch {
    return undefined
  }
}

/** Yields the records that end in `bytes`, without blank ones: a megabyte may contain a million of those. */
const cutRecords = (bytes: Uint8Array, scanned: number, start: Position, ends: RecordEnds) => {
  const records: Array<RawRecord> = []
  let at = 0
  let line = start.line
  for (let end = ends(bytes, scanned); end >= 0; end = ends(bytes, end)) {
    if (isBlank(bytes, at, end)) line++
    else {
      const record = bytes.subarray(at, end)
      records.push({ bytes: record, offset: start.offset + at, line })
      line += newlinesIn(record)
    }
    at = end
  }
  return { records, next: { offset: start.offset + at, line } }
}

const newlinesIn = (bytes: Uint8Array): number => {
  let count = 0
  for (let at = bytes.indexOf(newline); at >= 0; at = bytes.indexOf(newline, at + 1)) count++
  return count
}

const isBlank = (bytes: Uint8Array, from: number, end: number): boolean => {
  for (let at = from; at < end; at++) {
    const byte = bytes[at]!
    if (byte !== 32 && (byte < 9 || byte > 13)) return false
  }
  return true
}

const enlarged = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => {
  const larger = new Uint8Array(2 * bytes.length)
  larger.set(bytes)
  return larger
}
