/**
 * Which formats data files have: the one table that every reader of rows asks (labelled texts, arrays, causal rows, values for a
 * schema, a file's first rows).
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
import { DataError, dataError, problemsShown } from "../data-error.ts"
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

const formats: ReadonlyArray<FileFormat> = [jsonLines, json, csv, tsv, parquet]

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
  Effect.map(openFormat(path, wanted), ({ rows }) => rows)

const formatOf = (path: string) => {
  const [, extension = "", gz] = /\.([^./\\]+?)(\.gz)?$/i.exec(path) ?? []
  const format = formats.find(({ extensions }) => extensions.includes(extension.toLowerCase()))
  return { extension, gz, format: gz === undefined || format?.gzip === true ? format : undefined }
}

/** Whether a file of this name is one of rows. */
export const isRowsName = (name: string): boolean => formatOf(name).format !== undefined

/** The split that an address of the Hub means where it names none; null: that of the plan's field, "train" where there is no plan. */
export const AskedSplit = Context.Reference<"train" | "validation" | "test" | null>("tfjs-lora-pro/AskedSplit", {
  defaultValue: () => null
})

/** The files of this machine that hold the rows of a place: itself, or those that the Hub has by this address, in their order. */
export const filesOfRows = (place: string): Effect.Effect<ReadonlyArray<string>, DataError> =>
  Effect.gen(function* () {
    if (!isHubDataset(place)) return [place]
    const split = (yield* AskedSplit) ?? "train"
    const hub = yield* Effect.serviceOption(Hub)
    if (Option.isNone(hub)) return yield* dataError(place, "the program has no Hub; provide `platform`")
    return yield* hub.value
      .dataset(place, split)
      .pipe(Effect.mapError(({ problems }) => dataError(place, problems.join("; "))))
  })

/** Rows of the Hub, under their address. */
const openDataset = (address: string, wanted: Wanted) =>
  Effect.gen(function* () {
    const [first, ...more] = yield* filesOfRows(address)
    if (more.length === 0) return yield* openLocal(first!, wanted, address)
    const open = (path: string) => Effect.map(openFile(path), (file) => ({ ...file, name: address }))
    const rows = yield* parquet.openParts!([yield* open(first!), ...(yield* Effect.forEach(more, open))], wanted)
    return { format: parquet, rows }
  })

/** What is said of files without rows: loaded when one comes, or when an unknown file is looked at. */
const otherFiles = Effect.promise(() => import("./other-files.ts"))

/** A file without gzip, and its format. `name`: what messages call it; its path unless given. */
const openUnpacked = (path: string, name?: string) =>
  Effect.gen(function* () {
    if (isUrl(path)) return yield* dataError("data", "found a URL; expected a path: download it first")
    const isElsewhere = !isRowsName(path) || /\.zip[\\/]/i.test(path)
    const found = isElsewhere ? yield* openedInside(path) : undefined
    if (found?.name === "") return { format: textFiles(found), file: found.file }
    const { extension, gz, format } = formatOf(found?.name ?? path)
    if (format === undefined) {
      // a folder or a device has none either, and no other name would help
      if (extension === "") yield* openFile(path)
      const advice = (yield* otherFiles).adviceOn(path)
      if (advice !== undefined) return yield* dataError(path, advice)
      const beginning = extension === "" ? "a name without an extension" : `the extension .${extension}${gz ?? ""}`
      return yield* dataError(path, `${beginning} does not say which format the file has; expected ${expected}`)
    }
    const opened = found?.file ?? (yield* openFile(path))
    const file = name === undefined ? opened : { ...opened, name }
    return { format, file: gz === undefined ? file : yield* unpacked(file) }
  })

/** What a folder or an archive has; a page loads what opens them with the first. */
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

const written = ({ extensions, rows }: FileFormat): string => {
  const names = extensions.map((extension) => `.${extension}`).join(", ")
  return rows === undefined ? names : `${names} (${rows})`
}

/** ".jsonl, .ndjson (one object a line), .json (a list of objects), .csv or .tsv, each also as .gz, or .parquet" */
const expected = [true, false]
  .map((gzip) => {
    const names = formats.filter((format) => format.gzip === gzip).map(written)
    return inList(names) + (gzip ? ", each also as .gz" : "")
  })
  .join(", or ")

/** The first rows of a file, and its format. */
export interface SampledRows {
  /** what people call its format */
  readonly format: string
  /** what rows of a table share; absent where each row has names of its own */
  readonly table?: Table
  /** the first rows, those that cannot be read too */
  readonly rows: ReadonlyArray<Fields | Broken>
  /** rows in all; null: the file is too large to count them now, or rows and their ends cannot be recognised */
  readonly count: number | null
  /** what keeps the file's later rows from being read, where they were counted */
  readonly problem?: DataError
}

const noRows = "the file has no rows; at least one is needed"

// a second of reading; a look at rows need not take longer
const mostCounted = 128 * 2 ** 20 // bytes

/** At most `most` rows, readable or not, and how many there are. Fails where the file cannot be opened or has none. */
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

// rows may hold images
const mostSampled = 32 * 2 ** 20 // bytes

const firstOf = (opened: RowFile, most: number): Effect.Effect<ReadonlyArray<Fields | Broken>, DataError> =>
  Effect.gen(function* () {
    const next = recordReader(opened)
    const rows: Array<Fields | Broken> = []
    let bytes = 0
    while (rows.length < most && bytes < mostSampled) {
      const read = yield* Effect.result(next)
      // rows before one that is too long are shown all the same
      if (Result.isFailure(read) && rows.length === 0) return yield* read.failure
      const records = Result.isFailure(read) ? undefined : read.success
      if (records === undefined) break
      const some = records.slice(0, most - rows.length)
      for (const [at, row] of opened.parse(some).entries()) {
        const place = placeOfLine(opened, some[at]!.line)
        if ("broken" in row) rows.push({ broken: `${place}: ${row.broken}` })
        else rows.push(isFields(row.value) ? row.value : { broken: `${place}: ${notAnObject(row.value)}` })
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

/** A way to read a file. */
export interface DialectFound {
  /** what `data` of a plan says of it */
  readonly dialect: Dialect
  /** what a user should know of it, a sentence each */
  readonly notes: ReadonlyArray<string>
}

/** How a file may be written, as far as `given` and the file's name leave it open: the likeliest first. */
export const dialectsOf = (path: string, given: Dialect): Effect.Effect<ReadonlyArray<DialectFound>, DataError> =>
  Effect.gen(function* () {
    const [first] = yield* filesOfRows(path)
    const { format, file } = yield* openUnpacked(first!)
    if (format.gzip) yield* (yield* otherFiles).refuseBinary(file)
    const isOpen = format.gzip && given.encoding === undefined
    const foreign = isOpen ? yield* foreignByte(file, mostCounted) : undefined
    const dialect: Dialect = foreign === undefined ? given : { ...given, encoding: "latin1" }
    const notes = foreign === undefined ? [] : [`Read as Windows-1252: line ${foreign.line} has “${foreign.word}”.`]
    if (given.separator !== undefined || format.separators === undefined) return [{ dialect, notes }]
    const found = yield* format.separators(file).pipe(Effect.provideService(DataDialect, dialect))
    if (found.length < 2) return [{ dialect, notes }]
    return found.map((separator) => ({
      dialect: { ...dialect, separator },
      notes: [...notes, `Read with ${separatorWords[separator]} between columns.`]
    }))
  }).pipe(Effect.scoped)

/** At most `most` rows. Fails over all of them that cannot be read, and over a file without rows. */
export const readableRows = (path: string, most: number): Effect.Effect<ReadonlyArray<Fields>, DataError> =>
  Effect.gen(function* () {
    const opened = yield* openRows(path, { first: most })
    const { name } = opened.file
    const all = yield* firstOf(opened, most)
    if (all.length === 0) return yield* dataError(name, noRows)
    const rows = all.filter((row): row is Fields => !isBroken(row))
    if (rows.length === all.length) return rows
    const problems = all.flatMap((row) => (isBroken(row) ? [row.broken] : []))
    return yield* new DataError({ where: name, problems: problems.slice(0, problemsShown), total: problems.length })
  }).pipe(Effect.scoped)

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
    if (first === undefined) return yield* dataError(file.name, noRows)
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

/** The same; none of a file that cannot be opened, which is reported when it is opened. */
export const probedRows = (path: string, count: number): Effect.Effect<ReadonlyArray<Fields>, DataError> =>
  readFirst(path, count).pipe(
    Effect.orElseSucceed((): FirstRows => ({ rows: [] })),
    Effect.flatMap(readable)
  )
