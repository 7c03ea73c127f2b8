/**
 * CSV after RFC 4180: commas, a header row, fields in double quotes where they hold commas, quotes (doubled) or line
 * breaks; CRLF or LF, a byte order mark and blank lines tolerated. A row is an object of strings, named by the header.
 *
 * `csv-parse` splits records into fields. Where a record ends is found here, on bytes, because rows are later read by
 * position and because csv-parse (7.0) counts a CRLF inside quotes as two lines. One malformed record stays one: after
 * a stray quote the scan continues at the next line. Only a quote that is opened and never closed takes what follows
 * with it.
 */
import { CsvError, parse } from "csv-parse/sync"
import * as Effect from "effect/Effect"
import { cut, listed } from "../../boundary/index.ts"
import type { Broken } from "../columns.ts"
import { dataError } from "../data-error.ts"
import { firstRecord, notUtf8, type RawRecord, type RecordEnds, textOf, textStart } from "../records.ts"
import { columnProblems, type FileFormat, tooManyColumns } from "./format.ts"

export const csv: FileFormat = {
  extensions: ["csv"],
  gzip: true,
  open: (file, wanted) =>
    Effect.gen(function* () {
      const first = yield* firstRecord({ file, from: yield* textStart(file), ends: csvEnds })
      if (first === undefined) return yield* dataError(file.name, "the file is blank; a header row and rows are needed")
      const where = `${file.name}:${first.record.line}`
      const header = yield* readHeader(where, first.record)
      const problems = tooManyColumns(header) ?? columnProblems(header, wanted)
      if (problems.length > 0) return yield* dataError(where, problems.join("; "))
      return {
        file,
        from: first.next,
        ends: csvEnds,
        parse: (records) => parseRecords(records).map((fields) => named(fields, header))
      }
    })
}

const readHeader = (where: string, record: RawRecord) => {
  const fields = fieldsOf(record)
  if ("broken" in fields) return Effect.fail(dataError(where, `in the header row: ${fields.broken}`))
  const separator = fields.length === 1 ? [";", "\t", "|"].find((mark) => fields[0]!.includes(mark)) : undefined
  if (separator === undefined) return Effect.succeed(fields)
  const found = `the header is a single column, ${cut(fields[0]!)}`
  const reason = `${found}; columns are separated by commas, not by ${JSON.stringify(separator)}`
  return Effect.fail(dataError(where, reason))
}

const named = (
  fields: ReadonlyArray<string> | Broken,
  header: ReadonlyArray<string>
): { readonly value: { readonly [name: string]: unknown } } | Broken => {
  if ("broken" in fields) return fields
  if (fields.length !== header.length) {
    const hint = fields.length > header.length ? "; a text with commas needs quotes" : ""
    return {
      broken: `columns: found ${fields.length}, expected ${header.length} (${listed(header)
        .map((name) => cut(name))
        .join(", ")})${hint}`
    }
  }
  return { value: Object.fromEntries(header.map((name, i) => [name, fields[i]])) }
}

/**
 * All records in one call of the parser, which is quick; one by one only where that fails, to tell which are to blame.
 */
const parseRecords = (records: ReadonlyArray<RawRecord>): ReadonlyArray<ReadonlyArray<string> | Broken> => {
  if (records.length === 1) return records.map(fieldsOf)
  const texts = records.map(textOf)
  if (texts.every((text) => text !== undefined)) {
    try {
      const parsed = parseText(texts.map(withoutLineEnd).join("\n"))
      if (parsed.length === records.length) return parsed
    } catch {
      // one of them is malformed: below
    }
  }
  return records.map(fieldsOf)
}

const fieldsOf = (record: RawRecord): ReadonlyArray<string> | Broken => {
  const text = textOf(record)
  if (text === undefined) return notUtf8
  try {
    return parseText(withoutLineEnd(text))[0] ?? []
  } catch (error) {
    return { broken: error instanceof CsvError ? (sentences[error.code] ?? error.message) : String(error) }
  }
}

const parseText = (text: string): Array<Array<string>> =>
  parse(text, { relax_column_count: true, record_delimiter: ["\r\n", "\n"] })

// Blank lines may follow a record that was read by position. Inside quotes nothing is cut: there the record ends in a
// quote.
const withoutLineEnd = (text: string): string => {
  const kept = text.trimEnd().length
  const end = text.slice(kept).search(/\r?\n/)
  return end < 0 ? text : text.slice(0, kept + end)
}

const sentences: { readonly [code: string]: string | undefined } = {
  CSV_QUOTE_NOT_CLOSED: "a quote is opened and never closed",
  CSV_INVALID_CLOSING_QUOTE: "text after a closing quote; a quote inside a quoted field is written twice",
  INVALID_OPENING_QUOTE: "a quote inside a field without quotes; put the field in quotes and write its quotes twice"
}

/**
 * The bytes of a CSV record end at the first line break outside quotes. A quote opens a field only at the field's
 * start.
 */
const csvEnds = (): RecordEnds => {
  const [newline, quote, comma] = [10, 34, 44]
  let state: "field start" | "plain" | "quoted" | "after quote" = "field start"
  const step = (byte: number): typeof state => {
    if (state === "quoted") return byte === quote ? "after quote" : "quoted"
    if (byte === comma) return "field start"
    if (byte === quote && state === "field start") return "quoted"
    if (byte === quote && state === "after quote") return "quoted"
    return "plain"
  }
  return (bytes, from) => {
    for (let at = from; at < bytes.length; at++) {
      if (bytes[at] === newline && state !== "quoted") {
        state = "field start"
        return at + 1
      }
      state = step(bytes[at]!)
    }
    return -1
  }
}
