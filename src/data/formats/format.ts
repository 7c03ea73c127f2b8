/** What a format of data files is. Each is a value of `FileFormat` in a file of its own, and an entry of the table in `index.ts`. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Separator } from "../../../schemas/index.ts"
import { cut, limit, overLimit } from "../../boundary/index.ts"
import { type Fields, missingColumn } from "../columns.ts"
import { type DataError, problemsShown } from "../data-error.ts"
import type { DataFile } from "../file.ts"
import type { RowFile, Table } from "../records.ts"

export interface FileFormat {
  /** as people call it */
  readonly name: string
  /** by which a file is recognised: in lower case, without the dot */
  readonly extensions: ReadonlyArray<string>
  /** what a row is, where the extensions do not say it */
  readonly rows?: string
  /** whether a file of it may be packed as a whole, as .csv.gz is */
  readonly gzip: boolean
  /** What may separate the columns of a file, the likeliest first; absent where nothing does. */
  readonly separators?: (file: DataFile) => Effect.Effect<ReadonlyArray<Separator>, DataError, Scope.Scope>
  /** How rows with these columns are written; absent where they are not. `like`: a table whose rows they were. */
  readonly write?: (columns: ReadonlyArray<string>, like?: Table) => RowWriter
  /** The rows of a file, until the scope closes. */
  readonly open: (file: DataFile, wanted: Wanted) => Effect.Effect<RowFile, DataError, Scope.Scope>
  /** The same of rows that go on in further files; absent where a file of rows is always one. */
  readonly openParts?: (
    files: readonly [DataFile, ...ReadonlyArray<DataFile>],
    wanted: Wanted
  ) => Effect.Effect<RowFile, DataError, Scope.Scope>
}

/** Rows as text. */
export interface RowWriter {
  /** what a file begins with */
  readonly head: string
  /** A line of the file, with its end; several where a cell has line breaks. */
  readonly row: (row: Fields) => string
}

/** What a reader needs of a file; a format may leave out the rest. */
export interface Wanted {
  /** absent: all of them */
  readonly columns?: { readonly required: ReadonlyArray<WantedColumn>; readonly optional?: ReadonlyArray<string> }
  /** rows at most; absent: all */
  readonly first?: number
}

export interface WantedColumn {
  /** as the header has it */
  readonly name: string
  /** what messages call it: "column" unless given */
  readonly role?: string
}

/** A header of so many names that a row of them is no row, in the form of `columnProblems`. */
export const tooManyColumns = ({ length }: ReadonlyArray<string>): ReadonlyArray<string> | undefined =>
  length <= limit("columns")
    ? undefined
    : [`the file has ${length.toLocaleString("en")} columns, more than ${overLimit("columns")}`]

/** For formats that know their columns before the rows: the wanted ones that are missing or there twice, a sentence each. */
export const columnProblems = (names: ReadonlyArray<string>, { columns }: Wanted): ReadonlyArray<string> => {
  const required = columns?.required ?? [...new Set(names)].map((name): WantedColumn => ({ name }))
  const problems = required.flatMap(({ name, role }) => {
    const count = names.filter((one) => one === name).length
    if (count > 1) return [`the header names the column "${cut(name)}" ${count} times`]
    return count === 0 ? [missingColumn(name, names, role)] : []
  })
  const more = problems.length - problemsShown
  return more <= 0 ? problems : [...problems.slice(0, problemsShown), `and ${more} more like these`]
}
