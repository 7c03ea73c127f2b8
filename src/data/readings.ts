/** How a place of rows can be read: its encoding, its separator and its structure, where nothing but the place is known. */
import * as Effect from "effect/Effect"
import type { Dialect } from "../../schemas/index.ts"
import type { Files } from "../files/index.ts"
import type { Fields } from "./columns.ts"
import type { DataError } from "./data-error.ts"
import { type DialectFound, dialectsOf, readableRows } from "./formats/index.ts"
import { DataDialect } from "./text-file.ts"

/** Where the rows of a plan are, as `data` names them. */
export interface PlaceOfRows {
  /** the file or folder that holds the training rows */
  readonly train: string
  /** absent: none is next to them */
  readonly validation?: string
  /** absent: none is next to them */
  readonly test?: string
}

/** One way to read a place of rows. */
export interface Reading extends PlaceOfRows, DialectFound {
  /** what `data` of a plan says of it; {} where the files show it themselves */
  readonly dialect: Dialect
  /** what is there: a file's rows; a folder of images, or of text files, in a folder for each label, whose rows are made of their names */
  readonly content: "rows" | "images" | "texts"
  /** the first rows, with all their columns; of a folder `image` or `text`, and `label` */
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
export const readings = (place: string, dialect: Dialect): Effect.Effect<ReadonlyArray<Reading>, DataError, Files> =>
  Effect.gen(function* () {
    const [first, ...more] = yield* dialectsOf(place, dialect)
    const read = (found: DialectFound) =>
      readableRows(place, PROBED_ROWS).pipe(
        Effect.provideService(DataDialect, found.dialect),
        Effect.map((rows): Reading => ({ ...found, train: place, content: "rows", rows }))
      )
    const others = yield* Effect.forEach(more, (one) => Effect.option(read(one)))
    const fitting = others.flatMap((one) => (one._tag === "Some" ? [one.value] : []))
    // of several ways one may fail; of a single one the failure is the answer
    const best = yield* Effect.result(read(first!))
    if (best._tag === "Success") return [best.success, ...fitting]
    return fitting.length > 0 ? fitting : yield* best.failure
  })
