/**
 * The table of data file formats, used by all readers of rows (labelled texts, arrays, causal rows, values for a
 * schema, the first rows of a file).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { Dialect } from "../../../schemas/index.ts"
import { isUrl } from "../../files/index.ts"
import { Hub, isHubDataset } from "../../hub/hub.ts"
import { type Broken, type Fields, isBroken, isFields, notAnObject } from "../columns.ts"
import { DataError, dataError, mostProblems } from "../data-error.ts"
import { openFile } from "../file.ts"
import { foreignByte } from "../foreign-byte.ts"
import { unpacked } from "../packed-file.ts"
import { firstRecords, placeOfLine, type RowFile, readRecords, recordReader, type Table } from "../records.ts"
import { DataDialect } from "../text-file.ts"
import { csv, separatorWords, tsv } from "./csv.ts"
import type { FileFormat, Wanted } from "./format.ts"
import { json } from "./json.ts"
import { jsonLines, linesOf } from "./jsonl.ts"
import { parquet } from "./parquet.ts"

const conll: FileFormat = {
  name: "CoNLL columns",
  extensions: ["conll", "iob2", "bio"],
  rows: "a word and its label per line",
  gzip: true,
  // few files need it
  open: (file, wanted) =>
    Effect.flatMap(
      Effect.promise(() => import("./conll.ts")),
      ({ openConll }) => openConll(file, wanted)
    )
}

const formats: ReadonlyArray<FileFormat> = [jsonLines, json, csv, tsv, conll, parquet]

/** Returns the row writer for a file name. Fails for extensions whose format cannot be written. */
export const rowWriter = (path: string): Effect.Effect<NonNullable<FileFormat["write"]>, DataError> => {
  const [, extension = ""] = /\.([^./\\]+)$/.exec(path) ?? []
  const write = formats.find(({ extensions }) => extensions.includes(extension.toLowerCase()))?.write
  if (write !== undefined) return Effect.succeed(write)
  const names = formats.filter((format) => format.write !== undefined).map(extensionsText)
  return Effect.fail(dataError(path, `rows are written to ${inList(names)}; found another name`))
}

/** Opens a data file by its extension until the scope closes. Fails for any other extension; does not guess the format. */
export const openRows = (path: string, wanted: Wanted = {}): Effect.Effect<RowFile, DataError, Scope.Scope> =>
  Effect.map(openFormat(path, wanted), ({ rows }) => rows)

const formatOf = (path: string) => {
  const [, extension = "", gz] = /\.([^./\\]+?)(\.gz)?$/i.exec(path) ?? []
  const format = formats.find(({ extensions }) => extensions.includes(extension.toLowerCase()))
  return { extension, gz, format: gz === undefined || format?.gzip === true ? format : undefined }
}

/** Checks whether a file name has the extension of a format of rows. */
export const isRowsName = (name: string): boolean => formatOf(name).format !== undefined

/** Checks whether a file name has the extension of a table, whose first line has the names of its columns. */
export const isTableName = (name: string): boolean => formatOf(name).format?.separators !== undefined

/** Split for Hub addresses that name none; null: that of the plan's field, or "train" without a plan. */
export const AskedSplit = Context.Reference<"train" | "validation" | "test" | null>("tfjs-lora-pro/AskedSplit", {
  defaultValue: () => null
})

/** Returns the local files with the rows of a place: the file itself, or those of a Hub address in order. */
export const filesOfRows = (address: string): Effect.Effect<ReadonlyArray<string>, DataError> =>
  Effect.gen(function* () {
    if (!isHubDataset(address)) return [address]
    const split = (yield* AskedSplit) ?? "train"
    const hub = yield* Effect.serviceOption(Hub)
    if (Option.isNone(hub)) return yield* dataError(address, "the program provides no Hub; provide `platform`")
    return yield* hub.value
      .dataset(address, split)
      .pipe(Effect.mapError(({ problems }) => dataError(address, problems.join("; "))))
  })

/** Opens rows of the Hub, under their address. */
const openDataset = (address: string, wanted: Wanted) =>
  Effect.gen(function* () {
    const [first, ...more] = yield* filesOfRows(address)
    if (more.length === 0) return yield* openLocal(first!, wanted, address)
    const open = (path: string) => Effect.map(openFile(path), (file) => ({ ...file, name: address }))
    const rows = yield* parquet.openParts!([yield* open(first!), ...(yield* Effect.forEach(more, open))], wanted)
    return { format: parquet, rows }
  })

/** Advice on files without rows: loaded for the first one, or to inspect an unknown file. */
const otherFiles = Effect.promise(() => import("./other-files.ts"))

/** Opens an uncompressed file with its format. `name`: its name in messages; default: its path. */
const openUnpacked = (path: string, name?: string) =>
  Effect.gen(function* () {
    if (isUrl(path)) return yield* dataError("data", "found a URL; expected a path: download it first")
    const isElsewhere = !isRowsName(path) || /\.zip[\\/]/i.test(path)
    const inside = isElsewhere ? yield* openedInside(path) : undefined
    if (inside?.name === "") return { format: textFiles(inside), file: inside.file }
    const { extension, gz, format } = formatOf(inside?.name ?? path)
    if (format === undefined) {
      // a folder or a device has no extension either, and renaming it would not help
      if (extension === "") yield* openFile(path)
      const advice = (yield* otherFiles).adviceOn(path)
      if (advice !== undefined) return yield* dataError(path, advice)
      const beginning = extension === "" ? "a name without an extension" : `the extension .${extension}${gz ?? ""}`
      return yield* dataError(path, `${beginning} does not say which format the file has; expected ${expected}`)
    }
    const opened = inside?.file ?? (yield* openFile(path))
    const file = name === undefined ? opened : { ...opened, name }
    return { format, file: gz === undefined ? file : yield* unpacked(file) }
  })

/** Opens a folder or an archive; a page loads the code for the first one. */
const openedInside = (path: string) =>
  Effect.flatMap(
    Effect.promise(() => import("../texts.ts")),
    ({ openInside }) => openInside(path, isRowsName)
  )

const textFiles = ({ place }: Pick<RowFile, "place">): FileFormat => ({
  name: "text files",
  extensions: [],
  gzip: false,
  open: (file) =>
    Effect.succeed({ ...linesOf({ file, from: { offset: 0, line: 1 } }), ...(place === undefined ? {} : { place }) })
})

const openLocal = (path: string, wanted: Wanted, name?: string) =>
  Effect.gen(function* () {
    const { format, file } = yield* openUnpacked(path, name)
    return { format, rows: yield* format.open(file, wanted) }
  })

const openFormat = (path: string, wanted: Wanted) =>
  isHubDataset(path) ? openDataset(path, wanted) : openLocal(path, wanted)

const inList = (names: ReadonlyArray<string>): string => names.join(", ").replace(/, (?=[^,]*$)/, " or ")

const extensionsText = ({ extensions, rows }: FileFormat): string => {
  const names = extensions.map((extension) => `.${extension}`).join(", ")
  return rows === undefined ? names : `${names} (${rows})`
}

/** ".jsonl, .ndjson (one object a line), .json (a list of objects), .csv, .tsv, .conll, .iob2 or .bio (a word and its label per line), each also as .gz, or .parquet" */
const expected = [true, false]
  .map((gzip) => {
    const names = formats.filter((format) => format.gzip === gzip).map(extensionsText)
    return inList(names) + (gzip ? ", each also as .gz" : "")
  })
  .join(", or ")

/** First rows of a file, and its format. */
export interface SampledRows {
  /** name of the format, for messages */
  readonly format: string
  /** common properties of a table's rows; absent if each row names its own columns */
  readonly table?: Table
  /** the first rows, including those that cannot be parsed */
  readonly rows: ReadonlyArray<Fields | Broken>
  /** total number of rows; null: the file is too large to count them, or row ends cannot be detected */
  readonly count: number | null
  /** the problem that prevents reading later rows, if they were counted */
  readonly problem?: DataError
}

const noRows = "the file has no rows; at least one is needed"

// a second of reading, the maximum for inspecting rows
const mostCounted = 128 * 2 ** 20 // bytes

/** Reads at most `most` rows, valid or not, and counts all. Fails if the file cannot be opened or has no rows. */
export const sampledRows = (path: string, most: number): Effect.Effect<SampledRows, DataError> =>
  Effect.gen(function* () {
    const { format, rows: opened } = yield* openFormat(path, { first: most })
    const { file, table } = opened
    const rows = yield* firstOf(opened, most)
    if (rows.length === 0) return yield* dataError(file.name, noRows)
    const counted = yield* Effect.result(countOf(opened))
    const outcome = Result.isFailure(counted) ? { count: null, problem: counted.failure } : { count: counted.success }
    return { format: format.name, ...(table === undefined ? {} : { table }), rows, ...outcome }
  }).pipe(Effect.scoped)

// rows may contain images
const mostSampled = 32 * 2 ** 20 // bytes

const firstOf = (opened: RowFile, most: number): Effect.Effect<ReadonlyArray<Fields | Broken>, DataError> =>
  Effect.gen(function* () {
    const next = recordReader(opened)
    const rows: Array<Fields | Broken> = []
    let bytes = 0
    while (rows.length < most && bytes < mostSampled) {
      const read = yield* Effect.result(next)
      // shows rows before one that is too long
      if (Result.isFailure(read) && rows.length === 0) return yield* read.failure
      const records = Result.isFailure(read) ? undefined : read.success
      if (records === undefined) break
      const some = records.slice(0, most - rows.length)
      for (const [at, row] of opened.parse(some).entries()) {
        const location = placeOfLine(opened, some[at]!.line)
        if ("broken" in row) rows.push({ broken: `${location}: ${row.broken}` })
        else rows.push(isFields(row.value) ? row.value : { broken: `${location}: ${notAnObject(row.value)}` })
        bytes += some[at]!.bytes.length
      }
    }
    return rows
  })

const countOf = (rows: RowFile): Effect.Effect<number | null, DataError> =>
  Effect.gen(function* () {
    if (rows.count !== undefined) return rows.count
    if (rows.file.size > mostCounted) return null
    let count = 0
    yield* readRecords(rows, ({ length }) => {
      count += length
    })
    return count
  })

/** A dialect in which a file can be read. */
export interface DialectFound {
  /** the value for `data` of a plan */
  readonly dialect: Dialect
  /** notes for the user, one sentence each */
  readonly notes: ReadonlyArray<string>
}

/** Returns the possible dialects of a file, most likely first, within what `fixed` and the file's name determine. */
export const dialectsOf = (path: string, fixed: Dialect): Effect.Effect<ReadonlyArray<DialectFound>, DataError> =>
  Effect.gen(function* () {
    const [first] = yield* filesOfRows(path)
    const { format, file } = yield* openUnpacked(first!)
    if (format.gzip) yield* (yield* otherFiles).refuseBinary(file)
    const isOpen = format.gzip && fixed.encoding === undefined
    const foreign = isOpen ? yield* foreignByte(file, mostCounted) : undefined
    const dialect: Dialect = foreign === undefined ? fixed : { ...fixed, encoding: "latin1" }
    const notes = foreign === undefined ? [] : [`Read as Windows-1252: line ${foreign.line} has “${foreign.word}”.`]
    if (fixed.separator !== undefined || format.separators === undefined) return [{ dialect, notes }]
    const separators = yield* format.separators(file).pipe(Effect.provideService(DataDialect, dialect))
    if (separators.length < 2) return [{ dialect, notes }]
    return separators.map((separator) => ({
      dialect: { ...dialect, separator },
      notes: [...notes, `Read with ${separatorWords[separator]} between columns.`]
    }))
  }).pipe(Effect.scoped)

/** Reads at most `most` rows. Fails with all of them that cannot be parsed, and for a file without rows. */
export const readableRows = (path: string, most: number): Effect.Effect<ReadonlyArray<Fields>, DataError> =>
  Effect.gen(function* () {
    const opened = yield* openRows(path, { first: most })
    const { name } = opened.file
    const all = yield* firstOf(opened, most)
    if (all.length === 0) return yield* dataError(name, noRows)
    const rows = all.filter((row): row is Fields => !isBroken(row))
    if (rows.length === all.length) return rows
    const problems = all.flatMap((row) => (isBroken(row) ? [row.broken] : []))
    return yield* new DataError({ where: name, problems: problems.slice(0, mostProblems), total: problems.length })
  }).pipe(Effect.scoped)

/** The first valid rows of a file. `broken`: the problem of the first row, if none is valid. */
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
    if (first === undefined) return yield* dataError(file.name, noRows)
    const parsed = parse(read)
    const rows = parsed.flatMap((row) => ("value" in row && isFields(row.value) ? [row.value] : []))
    if (rows.length > 0) return { rows }
    const likeliest = parsed[0]!
    const broken = "broken" in likeliest ? likeliest.broken : notAnObject(likeliest.value)
    return { rows, broken: dataError(`${file.name}:${first.line}`, broken) }
  }).pipe(Effect.scoped)

const readable = ({ rows, broken }: FirstRows) => (broken === undefined ? Effect.succeed(rows) : Effect.fail(broken))

/** Reads at most `count` rows with all columns, skipping invalid ones. Fails with the problem of the first if none is valid. */
export const firstRows = (path: string, count: number): Effect.Effect<ReadonlyArray<Fields>, DataError> =>
  Effect.flatMap(readFirst(path, count), readable)

/** Returns the first rows of a file, or no rows if it cannot be opened, which is reported when it is opened. */
export const probedRows = (path: string, count: number): Effect.Effect<ReadonlyArray<Fields>, DataError> =>
  readFirst(path, count).pipe(
    Effect.orElseSucceed((): FirstRows => ({ rows: [] })),
    Effect.flatMap(readable)
  )
