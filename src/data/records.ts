/**
 * Cuts a file into records (lines, or CSV records that may span lines) while it streams by: memory is one chunk plus
 * the longest record, whatever the file's size.
 */
import * as Effect from "effect/Effect"
import type { Broken } from "./columns.ts"
import { type DataError, dataError } from "./data-error.ts"
import type { DataFile } from "./file.ts"

export interface RawRecord {
  /** with its terminator, and with blank lines that follow when it was read by position */
  readonly bytes: Uint8Array
  /** byte offset in the file */
  readonly offset: number
  /** 1-based line on which it starts */
  readonly line: number
}

export interface Position {
  readonly offset: number
  readonly line: number
}

/** A file opened for its rows. */
export interface RowFile {
  readonly file: DataFile
  /** where the first record begins */
  readonly from: Position
  /** a scanner in its first state */
  readonly ends: () => RecordEnds
  /** One result for every record, in their order. */
  readonly parse: (records: ReadonlyArray<RawRecord>) => ReadonlyArray<Value | Broken>
}

export interface Value {
  readonly value: unknown
}

/**
 * Finds where the record that is being scanned ends: the index after its terminator, or −1 where `bytes` ends first.
 * Called on consecutive stretches of the file, each beginning at `from`; a quoting format keeps its state between
 * calls.
 */
export type RecordEnds = (bytes: Uint8Array, from: number) => number

const newline = 10
// Large enough that a read costs little compared with parsing its bytes, small compared with any process.
const chunkBytes = 1 << 20
// A single record as long as this is a file in another format or a quote that is never closed, not a text to classify.
const longestRecord = 1 << 26

/**
 * Reads a file once: an effect that gives the records of the next chunk each time, blank ones left out, and undefined after the last.
 * Their bytes lie in one buffer that the next call fills again: the caller must be done with the records by then.
 */
export const recordReader = ({
  file,
  from,
  ends: scanner
}: RowFile): Effect.Effect<ReadonlyArray<RawRecord> | undefined, DataError> => {
  const ends = scanner()
  let buffer = new Uint8Array(2 * chunkBytes)
  let start = from // of what the buffer holds
  let held = 0 // bytes that it holds
  let rest = from // the first record that was not handed over: its end has not been seen
  return Effect.gen(function* () {
    const used = rest.offset - start.offset
    buffer.copyWithin(0, used, held)
    held -= used
    start = rest
    if (held > longestRecord) {
      const reason = `the row is longer than ${longestRecord >> 20} MiB; is this one row a line, with every quote closed?`
      return yield* dataError(`${file.name}:${start.line}`, reason)
    }
    if (start.offset + held >= file.size) {
      const last = { bytes: buffer.subarray(0, held), ...start }
      rest = { offset: file.size, line: start.line }
      return isBlank(last.bytes) ? undefined : [last]
    }
    if (held + chunkBytes > buffer.length) buffer = enlarged(buffer)
    const wanted = Math.min(chunkBytes, file.size - start.offset - held)
    yield* file.readInto(buffer.subarray(held, held + wanted), start.offset + held)
    const cut = cutRecords(buffer.subarray(0, held + wanted), held, start, ends)
    held += wanted
    rest = cut.next
    return cut.records.filter((record) => !isBlank(record.bytes))
  })
}

/**
 * Streams the file and hands over the records of each chunk, blank ones left out. `each` must be done
 * with their bytes when it returns.
 */
export const readRecords = (
  rows: RowFile,
  each: (records: ReadonlyArray<RawRecord>) => void
): Effect.Effect<void, DataError> =>
  Effect.gen(function* () {
    const next = recordReader(rows)
    for (let records = yield* next; records !== undefined; records = yield* next) each(records)
  })

/** The first record that is not blank, and where the next one begins. */
export const firstRecord = (
  file: DataFile,
  from: Position,
  ends: RecordEnds
): Effect.Effect<{ readonly record: RawRecord; readonly next: Position } | undefined, DataError> =>
  Effect.gen(function* () {
    const bytes = yield* file.read(from.offset, Math.min(chunkBytes, file.size - from.offset))
    const { records, next } = cutRecords(bytes, 0, from, ends)
    const tail = bytes.subarray(next.offset - from.offset)
    if (tail.length > 0) records.push({ bytes: tail, ...next })
    const at = records.findIndex((record) => !isBlank(record.bytes))
    const record = records[at]
    if (record === undefined) return undefined
    const { offset, line } = records[at + 1] ?? { offset: from.offset + bytes.length, line: next.line }
    return { record, next: { offset, line } }
  })

/** Where the text begins: after a byte order mark, if there is one. */
export const textStart = (file: DataFile): Effect.Effect<Position, DataError> =>
  Effect.map(file.read(0, Math.min(3, file.size)), (bytes) => {
    const marked = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
    return { offset: marked ? 3 : 0, line: 1 }
  })

export const notUtf8: Broken = { broken: "not valid UTF-8; save the file as UTF-8" }

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** The record's text, or nothing where its bytes are not UTF-8. */
export const textOf = (record: RawRecord): string | undefined => {
  try {
    return utf8.decode(record.bytes)
  } catch {
    return undefined
  }
}

const cutRecords = (bytes: Uint8Array, scanned: number, start: Position, ends: RecordEnds) => {
  const records: Array<RawRecord> = []
  let at = 0
  let line = start.line
  for (let end = ends(bytes, scanned); end >= 0; end = ends(bytes, end)) {
    const record = bytes.subarray(at, end)
    records.push({ bytes: record, offset: start.offset + at, line })
    line += newlinesIn(record)
    at = end
  }
  return { records, next: { offset: start.offset + at, line } }
}

const newlinesIn = (bytes: Uint8Array): number => {
  let count = 0
  for (let at = bytes.indexOf(newline); at >= 0; at = bytes.indexOf(newline, at + 1)) count++
  return count
}

const isBlank = (bytes: Uint8Array): boolean => {
  for (const byte of bytes) if (byte !== 32 && (byte < 9 || byte > 13)) return false
  return true
}

const enlarged = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => {
  const larger = new Uint8Array(2 * bytes.length)
  larger.set(bytes)
  return larger
}
