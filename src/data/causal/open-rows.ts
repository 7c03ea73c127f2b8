/**
 * Opens a data file by its extension and looks at every row once: from then on rows are read by position, 14 bytes of index
 * and 8 of hash a row in memory, whatever their texts are.
 *
 * The scan is `src/data`'s own (`scanRows`), whose rows are a text and a label: here the text is what the row says, as JSON,
 * and there is one label. So repeated rows are found as repeated texts are.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type CausalData, messagesColumn } from "../../../schemas/causal-data.ts"
import { openCsvValues } from "../csv.ts"
import { type DataError, dataError } from "../data-error.ts"
import { DataFiles, openFile } from "../file.ts"
import { openJsonlValues } from "../jsonl.ts"
import type { Broken } from "../labelled-fields.ts"
import type { ValueFile } from "../records.ts"
import type { LabelledText } from "../row.ts"
import { type ScannedSource, scanRows } from "../scan.ts"
import { contentOf } from "./content.ts"
import { isBrokenValue } from "./fields.ts"
import { unpacked } from "./gzip.ts"
import { type FirstRows, jsonLinesOfParquet, type WantedColumns } from "./parquet.ts"
import type { CausalContent, CausalRow } from "./row.ts"

/** A look at each row while the file is scanned: the reason why it cannot be used, or nothing. */
export type CheckContent = (content: CausalContent, where: string) => Broken | undefined

/** Opens and scans a file. All broken rows at once. */
export const openCausalRows = (
  path: string,
  section: CausalData,
  check: CheckContent
): Effect.Effect<ScannedSource, DataError, Scope.Scope> =>
  Effect.gen(function* () {
    const { file, from, ends, parse } = yield* openValues(path, columnsOf(section))
    let scanning = true // rows that are read again later have been checked
    const source = yield* scanRows(file, from, {
      ends,
      parse: (records) =>
        parse(records).map((row, i) => {
          const content = "broken" in row ? row : contentOf(row.value, section)
          if (isBrokenValue(content)) return content
          const broken = scanning ? check(content, `${file.name}:${records[i]!.line}`) : undefined
          return broken ?? { text: JSON.stringify(content), label: "" }
        })
    })
    scanning = false
    return source
  })

/** A row as it was scanned, back in its own form. */
export const causalRow = ({ text, where }: LabelledText): CausalRow => ({
  content: JSON.parse(text) as CausalContent,
  where
})

/** Opens a file of any extension for the values of its rows. `wanted`: of a parquet file, whose columns are read one by one. */
export const openValues = (
  path: string,
  wanted: WantedColumns | FirstRows
): Effect.Effect<ValueFile, DataError, Scope.Scope> => {
  const extension = /\.(jsonl|ndjson|csv|parquet)(\.gz)?$/i.exec(path)
  const format = extension?.[1]?.toLowerCase()
  const zipped = extension?.[2] !== undefined
  if (format === undefined || (format === "parquet" && zipped)) {
    const expected = "expected .jsonl, .ndjson (one object a line) or .csv, each also as .gz, or .parquet"
    return Effect.fail(dataError(path, `the file's name tells no format; ${expected}`))
  }
  const open = format === "csv" ? openCsvValues : openJsonlValues
  if (format === "parquet") return through(open(path), (file) => jsonLinesOfParquet(file, wanted))
  return zipped ? through(open(path), unpacked) : open(path)
}

/** An opening in which the file is not read itself, but what is made of it. */
const through = (
  opening: Effect.Effect<ValueFile, DataError, Scope.Scope>,
  make: (file: ValueFile["file"]) => Effect.Effect<ValueFile["file"], DataError, Scope.Scope>
) =>
  Effect.flatMap(DataFiles, (own) =>
    Effect.provideService(opening, DataFiles, (path) =>
      Effect.flatMap(Effect.provideService(openFile(path), DataFiles, own), make)
    )
  )

const columnsOf = (section: CausalData): WantedColumns => {
  if (section.format === "text") return { required: [section.text], optional: [] }
  if (section.format === "completion") return { required: [section.prompt, section.completion], optional: [] }
  if (section.mapping !== "alpaca") return { required: [messagesColumn(section)], optional: [] }
  return { required: ["instruction", "output"], optional: ["input", "system"] }
}
