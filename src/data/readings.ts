/** How a place of rows can be read: its encoding, its separator and its structure, where nothing but the place is known. */
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

/** One way to read a place of rows. */
export interface Reading extends PlaceOfRows, DialectFound {
  /** what `data` of a plan says of it; {} where the files show it themselves */
  readonly dialect: Dialect
  /** the first rows, with all their columns; of folders `image` or `text`, and `label`, of each label some */
  readonly rows: ReadonlyArray<Fields>
  /** what a user should know, a sentence each: "Read as Windows-1252: line 3 has “Café”." */
  readonly notes: ReadonlyArray<string>
}

/** Rows of a reading at most. */
export const PROBED_ROWS = 50

/**
 * How a place can be read as far as `dialect` leaves it open: the likeliest first, at least one. Rows that fail are errors, and none is left
 * out.
 */
export const readings = (source: string, dialect: Dialect): Effect.Effect<ReadonlyArray<Reading>, DataError, Files> =>
  Effect.gen(function* () {
    const own = yield* placeOfRows(source)
    // who names a file means that one, and not what is next to it
    const place: PlaceOfRows = own.content === "rows" && own.train === source ? { train: source, content: "rows" } : own
    const found = yield* place.content === "rows"
      ? rowsOfFile(place.train, dialect)
      : Effect.map(rowsOfFolder(place.train, place.content, dialect), (one) => [one])
    return found.map((one): Reading => ({ ...place, ...one }))
  })

type Rows = Pick<Reading, "dialect" | "notes" | "rows">

const rowsOfFile = (file: string, dialect: Dialect) =>
  Effect.gen(function* () {
    const [first, ...more] = yield* dialectsOf(file, dialect)
    const read = (found: DialectFound) =>
      readableRows(file, PROBED_ROWS).pipe(
        Effect.provideService(DataDialect, found.dialect),
        Effect.map((rows): Rows => ({ ...found, rows }))
      )
    // of several ways one may fail; of a single one the failure is the answer
    const best = yield* Effect.result(read(first!))
    const others = yield* Effect.forEach(more, (one) => Effect.result(read(one)))
    const fitting = [best, ...others].flatMap((one) => (Result.isSuccess(one) ? [one.success] : []))
    return fitting.length > 0 || Result.isSuccess(best) ? fitting : yield* best.failure
  })

// text files that are read for their encoding
const mostRead = 2_000

const rowsOfFolder = (place: string, content: FileKindName, dialect: Dialect) =>
  Effect.gen(function* () {
    const tree = yield* openTree(place)
    if (tree === undefined) return yield* dataError(place, "the folder is gone")
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
