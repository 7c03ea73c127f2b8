/**
 * JSON Lines (jsonlines.org): one object a line, UTF-8, blank lines ignored, a byte order mark tolerated.
 *
 *   {"text": "a fine film", "label": "positive"}
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { parseBoundedJson } from "../files/index.ts"
import type { DataError } from "./data-error.ts"
import { openFile } from "./file.ts"
import { type Broken, type Columns, type LabelledFields, labelledFields } from "./labelled-fields.ts"
import { type RawRecord, type RecordEnds, textOf, textStart, type Value, type ValueFile } from "./records.ts"
import { type RowFormat, type ScannedSource, scanRows } from "./scan.ts"

/** Opens and scans a JSON Lines file. Further fields of a row are ignored. */
export const openJsonl = (path: string, columns: Columns): Effect.Effect<ScannedSource, DataError, Scope.Scope> =>
  Effect.gen(function* () {
    const file = yield* openFile(path)
    return yield* scanRows(file, yield* textStart(file), jsonl(columns))
  })

/** Opens a JSON Lines file for the values of its lines, whatever these are. */
export const openJsonlValues = (path: string): Effect.Effect<ValueFile, DataError, Scope.Scope> =>
  Effect.gen(function* () {
    const file = yield* openFile(path)
    return { file, from: yield* textStart(file), ends: () => lineEnd, parse: (records) => records.map(lineValue) }
  })

const jsonl = (columns: Columns): RowFormat => ({
  ends: () => lineEnd,
  parse: (records) => records.map((record) => parseLine(record, columns))
})

const lineEnd: RecordEnds = (bytes, from) => {
  const at = bytes.indexOf(10, from)
  return at < 0 ? -1 : at + 1
}

const parseLine = (record: RawRecord, columns: Columns): LabelledFields | Broken => {
  const parsed = lineValue(record)
  if ("broken" in parsed) return parsed
  const { value } = parsed
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const found = Array.isArray(value) ? "a list" : excerpt(textOf(record)!)
    return { broken: `found ${found}, expected one object a line` }
  }
  return labelledFields(value as { readonly [name: string]: unknown }, columns)
}

const lineValue = (record: RawRecord): Value | Broken => {
  const text = textOf(record)
  if (text === undefined) return { broken: "not valid UTF-8; save the file as UTF-8" }
  const parsed = parseBoundedJson(text)
  return "problem" in parsed ? { broken: `${parsed.problem.replace(/^is /, "")}: ${excerpt(text)}` } : parsed
}

const excerpt = (text: string): string => {
  const line = text.trim()
  return line.length <= 60 ? line : `${line.slice(0, 60)}…`
}
