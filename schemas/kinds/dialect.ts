/** How the files of a data section are written, where they do not show it themselves. */
import * as Schema from "effect/Schema"
import { choice } from "../fields.ts"

/** Separators of a file's columns by their names in a plan. */
export const separators = { comma: ",", semicolon: ";", tab: "\t", pipe: "|" } as const

/** Name of the separator of a CSV file's columns. */
export type Separator = keyof typeof separators

/** Separators by name, in the order in which messages list them. */
export const separatorNames = ["comma", "semicolon", "tab", "pipe"] as const satisfies ReadonlyArray<Separator>

/** Encodings of text files that a plan can name. */
export const encodings = ["utf-8", "latin1"] as const

/** Encoding of text files without a byte order mark. */
export type Encoding = (typeof encodings)[number]

export const dialect = {
  separator: Schema.optionalKey(
    choice(separatorNames, "Column separator of CSV files. Default: detected from the header and first rows.")
  ),
  encoding: Schema.optionalKey(
    choice(
      encodings,
      "Encoding of text files without a byte order mark; latin1 is read as Windows-1252, its superset. Default: utf-8; other files are rejected."
    )
  )
}

/** Separator and encoding of text files, as given in a plan. Absent fields are detected from the files. */
export interface Dialect {
  /** default: detected from the header and first rows of each file */
  readonly separator?: Separator
  /** default: UTF-8, or UTF-16 with a byte order mark */
  readonly encoding?: Encoding
}
