/** How the files of a data section are written, where they do not show it themselves. */
import * as Schema from "effect/Schema"
import { choice } from "../fields.ts"

/** What stands between the columns of a file, by its name in a plan. */
export const separators = { comma: ",", semicolon: ";", tab: "\t", pipe: "|" } as const

export type Separator = keyof typeof separators

export const separatorNames = ["comma", "semicolon", "tab", "pipe"] as const satisfies ReadonlyArray<Separator>

export const encodings = ["utf-8", "latin1"] as const

export type Encoding = (typeof encodings)[number]

export const dialect = {
  separator: Schema.optionalKey(
    choice(
      separatorNames,
      "What stands between the columns of CSV files. Absent: what their header and first rows show."
    )
  ),
  encoding: Schema.optionalKey(
    choice(
      encodings,
      "How text files are encoded that have no byte order mark and are not UTF-8: latin1 is read as Windows-1252, which has all its letters. Absent: utf-8, and such files are refused."
    )
  )
}

export interface Dialect {
  readonly separator?: Separator
  readonly encoding?: Encoding
}
