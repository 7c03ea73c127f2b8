/** Possible ways to read a location of rows: encoding, separator and structure, detected from the files. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Dialect } from "../../schemas/index.ts"
import type { Files } from "../files/index.ts"
import type { Fields } from "./columns.ts"
import { type DataError, dataError } from "./data-error.ts"
import { type DialectFound, dialectsOf, readableRows } from "./formats/index.ts"
import { type FileKindName, listFolder, spread } from "./label-folders.ts"
import { type PlaceOfRows, placeOfRows } from "./places.ts"
import { DataDialect } from "./text-file.ts"
import { foreignText, textRows } from "./texts.ts"
import { openTree } from "./tree.ts"

/** One way to read a location of rows. */
export interface Reading extends PlaceOfRows, DialectFound {
  /** the value for `data` of a plan; {} if the files determine it */
  readonly dialect: Dialect
  /** the first rows, with all columns; for folders `image` or `text`, and `label`, a few of each label */
  readonly rows: ReadonlyArray<Fields>
  /** notes for the user, one sentence each: "Read as Windows-1252: line 3 has “Café”." */
  readonly notes: ReadonlyArray<string>
}

/** Maximum number of rows of a reading. */
export const PROBED_ROWS = 50

/**
 * Returns the ways to read a location within `dialect`, most likely first, at least one. Fails if rows cannot be parsed; skips
 * none.
 */
export const readings = (source: string, dialect: Dialect): Effect.Effect<ReadonlyArray<Reading>, DataError, Files> =>
  Effect.gen(function* () {
    const rowsPlace = yield* placeOfRows(source)
    // a named file means only that file, not those next to it
    const place: PlaceOfRows =
      rowsPlace.content === "rows" && rowsPlace.train === source ? { train: source, content: "rows" } : rowsPlace
    const dialects = yield* place.content === "rows"
      ? rowsOfFile(place.train, dialect)
      : Effect.map(rowsOfFolder(place.train, place.content, dialect), (rowsRead) => [rowsRead])
    return dialects.map((rowsRead): Reading => ({ ...place, ...rowsRead }))
  })

type Rows = Pick<Reading, "dialect" | "notes" | "rows">

const rowsOfFile = (file: string, dialect: Dialect) =>
  Effect.gen(function* () {
    const [first, ...more] = yield* dialectsOf(file, dialect)
    const read = (dialect: DialectFound) =>
      readableRows(file, PROBED_ROWS).pipe(
        Effect.provideService(DataDialect, dialect.dialect),
        Effect.map((rows): Rows => ({ ...dialect, rows }))
      )
    // of several ways one may fail; the failure of a single one is returned
    const best = yield* Effect.result(read(first!))
    const otherResults = yield* Effect.forEach(more, (dialect) => Effect.result(read(dialect)))
    const fitting = [best, ...otherResults].flatMap((result) => (Result.isSuccess(result) ? [result.success] : []))
    return fitting.length > 0 || Result.isSuccess(best) ? fitting : yield* best.failure
  })

// text files to read for detecting their encoding
const mostRead = 2_000

const rowsOfFolder = (folder: string, content: FileKindName, dialect: Dialect) =>
  Effect.gen(function* () {
    const tree = yield* openTree(folder)
    if (tree === undefined) return yield* dataError(folder, "the folder no longer exists")
    const { files, warnings } = yield* listFolder(tree, content)
    const notes = warnings.map((warning) => `${warning}.`)
    const some = spread(files, PROBED_ROWS)
    if (content === "images") {
      const rows = some.map(({ name, label }) => ({ image: name, label }))
      return { dialect, notes, rows } satisfies Rows
    }
    const foreign = dialect.encoding === undefined ? yield* foreignText(tree, spread(files, mostRead)) : undefined
    if (foreign === undefined)
      return { dialect, notes, rows: yield* textRows(tree, some, dialect.encoding) } satisfies Rows
    return {
      dialect: { ...dialect, encoding: "latin1" },
      notes: [...notes, `Read as Windows-1252: ${foreign.file} has “${foreign.word}”.`],
      rows: yield* textRows(tree, some, "latin1")
    } satisfies Rows
  }).pipe(Effect.scoped)
