/**
 * JSON Lines (jsonlines.org): one object per line, UTF-8. Ignores blank lines and accepts a byte order mark.
 *
 *   {"text": "a fine film", "label": "positive"}
 */
import * as Effect from "effect/Effect"
import { parseBoundedJson } from "../../files/index.ts"
import { type Broken, excerpt } from "../columns.ts"
import type { DataFile } from "../file.ts"
import { type Position, type RawRecord, type RecordEnds, type RowFile, textOf, type Value } from "../records.ts"
import { notUtf8, openText } from "../text-file.ts"
import type { FileFormat } from "./format.ts"

export const jsonLines: FileFormat = {
  name: "JSON Lines",
  extensions: ["jsonl", "ndjson"],
  rows: "one object per line",
  gzip: true,
  write: () => ({ head: "", row: (row) => `${JSON.stringify(row)}\n` }),
  open: (file) => Effect.map(openText(file), linesOf)
}

/** Returns the lines of a UTF-8 file. */
export const linesOf = (text: { readonly file: DataFile; readonly from: Position }): RowFile => ({
  file: text.file,
  from: text.from,
  ends: () => lineEnd,
  parse: (records) => records.map(lineValue)
})

const lineEnd: RecordEnds = (bytes, from) => {
  const at = bytes.indexOf(10, from)
  return at < 0 ? -1 : at + 1
}

const NOT_JSON = "not JSON; write the row as one object on its line, with double quotes and no comma after it"

const lineValue = (record: RawRecord): Value | Broken => {
  const text = textOf(record)
  if (text === undefined) return notUtf8(record)
  const parsed = parseBoundedJson(text)
  return "problem" in parsed
    ? { broken: `${parsed.problem.replace(/^is not JSON$/, NOT_JSON)}: ${excerpt(text)}` }
    : parsed
}
