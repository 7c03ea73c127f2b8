/** Opens a data file by its extension: for the labelled texts in it, or for whatever values its rows are. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { openCsv, openCsvValues } from "./csv.ts"
import { type DataError, dataError } from "./data-error.ts"
import { openJsonl, openJsonlValues } from "./jsonl.ts"
import type { Columns } from "./labelled-fields.ts"
import type { ValueFile } from "./records.ts"
import type { ScannedSource } from "./scan.ts"

type Open = (path: string, columns: Columns) => Effect.Effect<ScannedSource, DataError, Scope.Scope>
type OpenValues = (path: string) => Effect.Effect<ValueFile, DataError, Scope.Scope>

interface Format {
  readonly labelled: Open
  readonly values: OpenValues
}

const jsonLines: Format = { labelled: openJsonl, values: openJsonlValues }
const formats: { readonly [extension: string]: Format } = {
  jsonl: jsonLines,
  ndjson: jsonLines,
  csv: { labelled: openCsv, values: openCsvValues }
}

/** `.jsonl` and `.ndjson`, `.csv`; any other extension is a `DataError`, so that no file is guessed at. */
const formatOf = (path: string): Effect.Effect<Format, DataError> => {
  const extension = /\.([^./\\]+)$/.exec(path)?.[1]?.toLowerCase() ?? ""
  const format = Object.hasOwn(formats, extension) ? formats[extension] : undefined
  if (format !== undefined) return Effect.succeed(format)
  const found = extension === "" ? "no extension" : `the extension .${extension}`
  return Effect.fail(dataError(path, `${found} tells no format; expected .jsonl, .ndjson (one object a line) or .csv`))
}

/** Every row is a text and a label, in these columns. */
export const openLabelledFile: Open = (path, columns) =>
  Effect.flatMap(formatOf(path), ({ labelled }) => labelled(path, columns))

/** A row is the value of a line of JSON, or an object of strings out of a line of CSV. */
export const openValueFile: OpenValues = (path) => Effect.flatMap(formatOf(path), ({ values }) => values(path))
