/** Opens a file of labelled texts by its extension. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { openCsv } from "./csv.ts"
import { type DataError, dataError } from "./data-error.ts"
import { openJsonl } from "./jsonl.ts"
import type { Columns } from "./labelled-fields.ts"
import type { ScannedSource } from "./scan.ts"

type Open = (path: string, columns: Columns) => Effect.Effect<ScannedSource, DataError, Scope.Scope>

const formats: { readonly [extension: string]: Open } = { jsonl: openJsonl, ndjson: openJsonl, csv: openCsv }

/** `.jsonl` and `.ndjson`, `.csv`; any other extension is a `DataError`, so that no file is guessed at. */
export const openLabelledFile: Open = (path, columns) => {
  const extension = /\.([^./\\]+)$/.exec(path)?.[1]?.toLowerCase() ?? ""
  const open = Object.hasOwn(formats, extension) ? formats[extension] : undefined
  if (open !== undefined) return open(path, columns)
  const found = extension === "" ? "no extension" : `the extension .${extension}`
  return Effect.fail(dataError(path, `${found} tells no format; expected .jsonl, .ndjson (one object a line) or .csv`))
}
