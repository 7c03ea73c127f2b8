/** How the files of a data section are written, where they do not show it themselves. */
import * as Schema from "effect/Schema"
import { choice } from "../fields.ts"

/** Separators of a file's columns by their names in a plan. */
export const separators = { comma: ",", semicolon: ";", tab: "\t", pipe: "|" } as const

/** The name of the separator of a CSV file's columns. */
export type Separator = keyof typeof separators

/** The separators by name, in the order in which messages list them. */
export const separatorNames = ["comma", "semicolon", "tab", "pipe"] as const satisfies ReadonlyArray<Separator>

/** The encodings of text files that a plan can name. */
export const encodings = ["utf-8", "latin1"] as const

/** How a text file is encoded that has no byte order mark and is not UTF-8. */
export type Encoding = (typeof encodings)[number]

export const dialect = {
  separator: Schema.optionalKey(
    choice(separatorNames, "The separator of CSV files' columns. Absent: what their header and first rows show.")
  ),
  encoding: Schema.optionalKey(
    choice(
      encodings,
      "How text files are encoded that have no byte order mark and are not UTF-8: latin1 is read as Windows-1252, which has all its letters. Absent: utf-8, and such files are refused."
    )
  )
}

/** How text files of rows are written, where a plan says so; what is absent is seen in the files. */
export interface Dialect {
  /** absent: what each file's header and first rows show */
  readonly separator?: Separator
  /** absent: UTF-8, or UTF-16 by a byte order mark */
  readonly encoding?: Encoding
}
