/**
 * Which formats data files have: the one table that every reader of rows asks (labelled texts, arrays, causal rows, values for a
 * schema, a file's first rows).
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { isUrl } from "../../files/index.ts"
import { type Fields, isFields, notAnObject } from "../columns.ts"
import { type DataError, dataError } from "../data-error.ts"
import { openFile } from "../file.ts"
import { unpacked } from "../packed-file.ts"
import { firstRecords, type RowFile } from "../records.ts"
import { csv, tsv } from "./csv.ts"
import type { FileFormat, Wanted } from "./format.ts"
import { jsonLines } from "./jsonl.ts"
import { parquet } from "./parquet.ts"

const formats: ReadonlyArray<FileFormat> = [jsonLines, csv, tsv, parquet]

/** How rows are written to a file of this name. Any extension but those of `write` is an error. */
export const rowWriter = (path: string): Effect.Effect<NonNullable<FileFormat["write"]>, DataError> => {
  const [, extension = ""] = /\.([^./\\]+)$/.exec(path) ?? []
  const write = formats.find(({ extensions }) => extensions.includes(extension.toLowerCase()))?.write
  if (write !== undefined) return Effect.succeed(write)
  const names = formats.filter((format) => format.write !== undefined).map(written)
  return Effect.fail(dataError(path, `rows are written to ${inList(names)}; found another name`))
}

/** Opens a data file by its extension until the scope closes. Any other extension is an error: no file is guessed at. */
export const openRows = (path: string, wanted: Wanted = {}): Effect.Effect<RowFile, DataError, Scope.Scope> =>
  Effect.gen(function* () {
    if (isUrl(path)) return yield* dataError("data", "found a URL; expected a path: download it first")
    const [, extension = "", gz] = /\.([^./\\]+?)(\.gz)?$/i.exec(path) ?? []
    const format = formats.find(({ extensions }) => extensions.includes(extension.toLowerCase()))
    if (format === undefined || (gz !== undefined && !format.gzip)) {
      // a folder or a device has none either, and no other name would help
      if (extension === "") yield* openFile(path)
      const found = extension === "" ? "no extension" : `the extension .${extension}${gz ?? ""}`
      return yield* dataError(path, `${found} tells no format; expected ${expected}`)
    }
    const file = yield* openFile(path)
    return yield* format.open(gz === undefined ? file : yield* unpacked(file), wanted)
  })

const inList = (names: ReadonlyArray<string>): string => names.join(", ").replace(/, (?=[^,]*$)/, " or ")

const written = ({ extensions, rows }: FileFormat): string => {
  const names = extensions.map((extension) => `.${extension}`).join(", ")
  return rows === undefined ? names : `${names} (${rows})`
}

/** ".jsonl, .ndjson (one object a line), .csv or .tsv, each also as .gz, or .parquet" */
const expected = [true, false]
  .map((gzip) => {
    const names = formats.filter((format) => format.gzip === gzip).map(written)
    return inList(names) + (gzip ? ", each also as .gz" : "")
  })
  .join(", or ")

/** The first rows of a file, unreadable ones left out. `broken`: what is wrong with the first, where none can be read. */
interface FirstRows {
  readonly rows: ReadonlyArray<Fields>
  readonly broken?: DataError
}

const readFirst = (path: string, count: number): Effect.Effect<FirstRows, DataError> =>
  Effect.gen(function* () {
    const opened = yield* openRows(path, { first: count })
    const { file, parse } = opened
    const read = yield* firstRecords(opened, count)
    const [first] = read
    if (first === undefined) return yield* dataError(file.name, "the file has no rows; at least one is needed")
    const parsed = parse(read)
    const rows = parsed.flatMap((row) => ("value" in row && isFields(row.value) ? [row.value] : []))
    if (rows.length > 0) return { rows }
    const found = parsed[0]!
    const broken = "broken" in found ? found.broken : notAnObject(found.value)
    return { rows, broken: dataError(`${file.name}:${first.line}`, broken) }
  }).pipe(Effect.scoped)

const readable = ({ rows, broken }: FirstRows) => (broken === undefined ? Effect.succeed(rows) : Effect.fail(broken))

/** At most `count` rows with all their columns, unreadable ones left out. Fails where none can be read, with what is wrong with the first. */
export const firstRows = (path: string, count: number): Effect.Effect<ReadonlyArray<Fields>, DataError> =>
  Effect.flatMap(readFirst(path, count), readable)

/** The same; none of a file that cannot be opened, which is told, with all else, when it is. */
export const probedRows = (path: string, count: number): Effect.Effect<ReadonlyArray<Fields>, DataError> =>
  readFirst(path, count).pipe(
    Effect.orElseSucceed((): FirstRows => ({ rows: [] })),
    Effect.flatMap(readable)
  )
