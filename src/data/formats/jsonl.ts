/**
 * JSON Lines (jsonlines.org): one object a line, UTF-8, blank lines ignored, a byte order mark tolerated.
 *
 *   {"text": "a fine film", "label": "positive"}
 */
import * as Effect from "effect/Effect"
import { parseBoundedJson } from "../../files/index.ts"
import { type Broken, excerpt } from "../columns.ts"
import { notUtf8, type RawRecord, type RecordEnds, textOf, textStart, type Value } from "../records.ts"
import type { FileFormat } from "./format.ts"

export const jsonLines: FileFormat = {
  extensions: ["jsonl", "ndjson"],
  rows: "one object a line",
  gzip: true,
  open: (file) =>
    Effect.map(textStart(file), (from) => ({
      file,
      from,
      ends: () => lineEnd,
      parse: (records) => records.map(lineValue)
    }))
}

const lineEnd: RecordEnds = (bytes, from) => {
  const at = bytes.indexOf(10, from)
  return at < 0 ? -1 : at + 1
}

const lineValue = (record: RawRecord): Value | Broken => {
  const text = textOf(record)
  if (text === undefined) return notUtf8
  const parsed = parseBoundedJson(text)
  return "problem" in parsed ? { broken: `${parsed.problem.replace(/^is /, "")}: ${excerpt(text)}` } : parsed
}
