/**
 * Tables after RFC 4180: a header row, columns separated by commas, semicolons, tabs or pipes, fields in double quotes if they contain
 * separators, quotes (doubled) or line breaks. Accepts CRLF or LF, a byte order mark and blank lines. A row is an object of strings,
 * with keys from the header.
 *
 * `csv-parse` splits records into fields. Record ends are found here, on bytes, because rows are later read by
 * position and because csv-parse (7.0) counts a CRLF inside quotes as two lines. A malformed record affects only itself: after
 * a stray quote the scan continues at the next line. Only a quote that is opened and never closed takes what follows
 * with it.
 */
import { CsvError, parse } from "csv-parse/sync"
import * as Effect from "effect/Effect"
import { type Separator, separatorNames, separators } from "../../../schemas/index.ts"
import { cut, listed } from "../../boundary/index.ts"
import { type Broken, isBroken } from "../columns.ts"
import { dataError } from "../data-error.ts"
import { afterRecord, firstRecords, type RawRecord, type RecordEnds, textOf } from "../records.ts"
import { DataDialect, notUtf8, openText, type TextFile } from "../text-file.ts"
import { columnProblems, type FileFormat, tooManyColumns, type Wanted } from "./format.ts"

const delimited = (extension: string, usual: Separator): FileFormat => ({
  name: extension.toUpperCase(),
  extensions: [extension],
  gzip: true,
  separators: (file) =>
    Effect.gen(function* () {
      const candidates = yield* separatorsOf(yield* openText(file), {}, usual)
      return candidates.map(({ separator }) => separator)
    }),
  write: (columns, like) => {
    // tabs are not expected in a file called .csv
    const mark = usual === "tab" || like === undefined || like.separator === "\t" ? separators[usual] : like.separator
    const line = (cells: ReadonlyArray<unknown>) => `${cells.map((cell) => quotedCell(cell, mark)).join(mark)}\n`
    return {
      head: `${like?.marked === true ? "\uFEFF" : ""}${line(columns)}`,
      row: (row) => line(columns.map((name) => (Object.hasOwn(row, name) ? row[name] : undefined)))
    }
  },
  open: (file, wanted) =>
    Effect.gen(function* () {
      const text = yield* openText(file)
      const { header: first, separator } = yield* separatorOf(text, wanted, usual)
      if (first === undefined)
        return yield* dataError(file.name, "the file is blank; it needs a header row and at least one row")
      const where = `${file.name}:${first.line}`
      const header = fieldsOf(first, separator)
      if (isBroken(header)) return yield* dataError(where, `in the header row: ${header.broken}`)
      const problems = tooManyColumns(header) ?? columnProblems(header, wanted)
      if (problems.length > 0)
        return yield* dataError(where, [...problems, ...singleColumn(header), ...repeatedNumber(header)].join("; "))
      return {
        file: text.file,
        from: afterRecord(first),
        ends: endsOf(separator),
        parse: (records) => parseRecords(records, separator).map((fields) => nameFields(fields, header, separator)),
        table: { columns: header, separator: separators[separator], marked: text.marked }
      }
    })
})

/** Formats a cell: quoted if it contains the separator, a quote or a line break. */
const quotedCell = (cell: unknown, mark: string): string => {
  const text =
    typeof cell === "string"
      ? cell
      : cell === undefined || cell === null
        ? ""
        : typeof cell === "object"
          ? JSON.stringify(cell)
          : String(cell)
  return text.includes(mark) || /["\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

export const csv = delimited("csv", "comma")
export const tsv = delimited("tsv", "tab")

const singleColumn = (header: ReadonlyArray<string>): ReadonlyArray<string> =>
  header.length > 1 ? [] : ["the header is a single column, without a comma, semicolon, tab or | in it"]

/** Names that are the same number are the values of a row. */
const repeatedNumber = (header: ReadonlyArray<string>): ReadonlyArray<string> =>
  header.some((name, i) => /\d/.test(name) && Number.isFinite(Number(name)) && header.indexOf(name) !== i)
    ? ["the first line seems to be a row; add a line of column names above it"]
    : []

// Number of rows to inspect if the header is ambiguous.
const rowsLookedAt = 20

/**
 * Determines the column separator and the header row:
 *
 *   1. the plan's, if the header contains it
 *   2. the usual one of the file's extension, if the header contains no other
 *   3. of those in the header, the one that gives the requested columns
 *   4. of several, the one by which the first rows have as many columns as the header
 *
 * Rejects the file if several remain.
 */
const separatorOf = (text: TextFile, wanted: Wanted, usual: Separator) =>
  Effect.gen(function* () {
    const [first, ...more] = yield* separatorsOf(text, wanted, usual)
    if (more.length === 0) return first
    const dialects = [first, ...more].map(({ separator, fields }) => `${separator} (${fields.length})`).join(" or ")
    const reason = `its columns seem to be separated by a ${dialects}; name the separator with data.separator (of suggest: --separator)`
    return yield* dataError(`${text.file.name}:${first.header!.line}`, reason)
  })

/** Returns the possible separators. */
const separatorsOf = (text: TextFile, wanted: Wanted, usual: Separator) =>
  Effect.gen(function* () {
    const { separator: planned } = yield* DataDialect
    const look = (separator: Separator) =>
      Effect.map(firstRecords({ ...text, ends: endsOf(separator) }, 1 + rowsLookedAt), ([header, ...rows]) => {
        const fields = header === undefined ? [] : fieldsOf(header, separator)
        return { separator, header, rows, fields: isBroken(fields) ? [] : fields }
      })
    if (planned !== undefined) {
      const dialect = yield* look(planned)
      if (dialect.fields.length > 1) return [dialect] as const
    }
    const first = yield* look(usual)
    const otherSeparators = separatorNames.filter((name) => name !== usual && isIn(separators[name], first.header))
    if (otherSeparators.length === 0) return [first] as const
    const candidates = [first, ...(yield* Effect.forEach(otherSeparators, look))].filter(
      ({ fields }) => fields.length > 1
    )
    const wants = ({ fields }: (typeof candidates)[number]) => columnProblems(fields, wanted).length === 0
    const fits = ({ rows, fields, separator }: (typeof candidates)[number]) =>
      rows.every((row) => {
        const parsed = fieldsOf(row, separator)
        return !isBroken(parsed) && parsed.length === fields.length
      })
    const narrowed = [wanted.columns === undefined ? () => true : wants, fits].reduce((some, fit) => {
      const fitting = some.length > 1 ? some.filter(fit) : some
      return fitting.length > 0 ? fitting : some
    }, candidates)
    const [best = first, ...more] = narrowed
    return [best, ...more] as const
  })

const isIn = (mark: string, record: RawRecord | undefined): boolean =>
  record?.bytes.includes(mark.charCodeAt(0)) === true

const nameFields = (
  fields: ReadonlyArray<string> | Broken,
  header: ReadonlyArray<string>,
  separator: Separator
): { readonly value: { readonly [name: string]: unknown } } | Broken => {
  if ("broken" in fields) return fields
  if (fields.length !== header.length) {
    const hint = fields.length > header.length ? `; a text with ${separatorWords[separator]} needs quotes` : ""
    return {
      broken: `columns: found ${fields.length}, expected ${header.length} (${listed(header)
        .map((name) => cut(name))
        .join(", ")})${hint}`
    }
  }
  return { value: Object.fromEntries(header.map((name, i) => [name, fields[i]])) }
}

/** Names of separated cells, for messages. */
export const separatorWords = { comma: "commas", semicolon: "semicolons", tab: "tabs", pipe: "|" } satisfies Record<
  Separator,
  string
>

/**
 * Parses all records in one call, which is fast; parses them one by one only if that fails, to find the malformed ones.
 */
const parseRecords = (
  records: ReadonlyArray<RawRecord>,
  separator: Separator
): ReadonlyArray<ReadonlyArray<string> | Broken> => {
  const parse = (record: RawRecord) => fieldsOf(record, separator)
  if (records.length === 1) return records.map(parse)
  const texts = records.map(textOf)
  if (texts.every((text) => text !== undefined)) {
    try {
      const parsed = parseText(texts.map(withoutLineEnd).join("\n"), separator)
      if (parsed.length === records.length) return parsed
    } catch {
      // one of them is malformed: find it below
    }
  }
  return records.map(parse)
}

const fieldsOf = (record: RawRecord, separator: Separator): ReadonlyArray<string> | Broken => {
  const text = textOf(record)
  if (text === undefined) return notUtf8(record)
  try {
    return parseText(withoutLineEnd(text), separator)[0] ?? []
  } catch (error) {
    return { broken: error instanceof CsvError ? (sentences[error.code] ?? error.message) : String(error) }
  }
}

// in tab-separated files a quote needs no escaping, unless the field begins with it: most programs write none
const parseText = (text: string, separator: Separator): Array<Array<string>> =>
  parse(text, {
    delimiter: separators[separator],
    relax_column_count: true,
    relax_quotes: separator === "tab",
    record_delimiter: ["\r\n", "\n"]
  })

// Blank lines may follow a record that was read by position. Inside quotes nothing is removed: such a record ends in a
// quote.
const withoutLineEnd = (text: string): string => {
  const length = text.trimEnd().length
  const end = text.slice(length).search(/\r?\n/)
  return end < 0 ? text : text.slice(0, length + end)
}

const sentences: { readonly [code: string]: string | undefined } = {
  CSV_QUOTE_NOT_CLOSED: "a quote is never closed; close it, or double a quote inside a quoted field",
  CSV_INVALID_CLOSING_QUOTE: "text after a closing quote; double a quote inside a quoted field",
  INVALID_OPENING_QUOTE: "a quote inside an unquoted field; put the field in quotes and double its quotes"
}

/**
 * Finds the end of a record, at the first line break outside quotes. A quote only opens a field at the field's
 * start.
 */
const endsOf = (separator: Separator) => (): RecordEnds => {
  const [newline, quote, mark] = [10, 34, separators[separator].charCodeAt(0)]
  let state: "field start" | "plain" | "quoted" | "after quote" = "field start"
  const step = (byte: number): typeof state => {
    if (state === "quoted") return byte === quote ? "after quote" : "quoted"
    if (byte === mark) return "field start"
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
