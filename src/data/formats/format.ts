/** The interface of data file formats. Each is a `FileFormat` in a separate file, and an entry of the table in `index.ts`. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Separator } from "../../../schemas/index.ts"
import { cut, limit, overLimit, wholeNumber } from "../../boundary/index.ts"
import { type Fields, missingColumn } from "../columns.ts"
import { type DataError, mostProblems } from "../data-error.ts"
import type { DataFile } from "../file.ts"
import type { RowFile, Table } from "../records.ts"

export interface FileFormat {
  /** name for messages */
  readonly name: string
  /** extensions that identify a file of this format: lower case, without the dot */
  readonly extensions: ReadonlyArray<string>
  /** description of a row, if the extensions do not imply it */
  readonly rows?: string
  /** whether its files may be compressed as a whole, as .csv.gz */
  readonly gzip: boolean
  /** Returns the possible column separators of a file, most likely first; absent for formats without separators. */
  readonly separators?: (file: DataFile) => Effect.Effect<ReadonlyArray<Separator>, DataError, Scope.Scope>
  /** Returns a writer of rows with these columns; absent if writing is not supported. `like`: a table whose dialect to use. */
  readonly write?: (columns: ReadonlyArray<string>, like?: Table) => RowWriter
  /** Opens the rows of a file until the scope closes. */
  readonly open: (file: DataFile, wanted: Wanted) => Effect.Effect<RowFile, DataError, Scope.Scope>
  /** Opens rows that are split over several files; absent for formats in which each file is complete. */
  readonly openParts?: (
    files: readonly [DataFile, ...ReadonlyArray<DataFile>],
    wanted: Wanted
  ) => Effect.Effect<RowFile, DataError, Scope.Scope>
}

/** Formats rows as text. */
export interface RowWriter {
  /** beginning of a file */
  readonly head: string
  /** Formats a row with its line end; several lines if a cell has line breaks. */
  readonly row: (row: Fields) => string
}

/** Requested parts of a file; a format may skip the rest. */
export interface Wanted {
  /** requested columns; absent: all */
  readonly columns?: { readonly required: ReadonlyArray<WantedColumn>; readonly optional?: ReadonlyArray<string> }
  /** maximum number of rows; absent: all */
  readonly first?: number
}

export interface WantedColumn {
  /** name in the header */
  readonly name: string
  /** name in messages; default "column" */
  readonly role?: string
}

/** Reports a header with more columns than the limit, as `columnProblems` does. */
export const tooManyColumns = ({ length }: ReadonlyArray<string>): ReadonlyArray<string> | undefined =>
  length <= limit("columns")
    ? undefined
    : [`the file has ${wholeNumber(length)} columns, more than ${overLimit("columns")}`]

/** For formats whose columns are known before the rows: returns one sentence for each requested column that is missing or duplicated. */
export const columnProblems = (names: ReadonlyArray<string>, { columns }: Wanted): ReadonlyArray<string> => {
  const required = columns?.required ?? [...new Set(names)].map((name): WantedColumn => ({ name }))
  const problems = required.flatMap(({ name, role }) => {
    const count = names.filter((other) => other === name).length
    if (count > 1) return [`the header names the column "${cut(name)}" ${count} times`]
    return count === 0 ? [missingColumn(name, names, role)] : []
  })
  const more = problems.length - mostProblems
  return more <= 0 ? problems : [...problems.slice(0, mostProblems), `and ${more} more like these`]
}
