/** JSON files: a list of objects, or an object that contains one. Rows are read in place, by position. */
import * as Effect from "effect/Effect"
import { parseBoundedJson } from "../../files/index.ts"
import { type Broken, excerpt } from "../columns.ts"
import { dataError } from "../data-error.ts"
import { type RawRecord, type RowFile, textOf, type Value } from "../records.ts"
import { notUtf8, openText } from "../text-file.ts"
import type { FileFormat } from "./format.ts"
import { linesOf } from "./jsonl.ts"

export const json: FileFormat = {
  name: "JSON",
  extensions: ["json"],
  rows: "a list of objects",
  gzip: true,
  open: (compressed) =>
    Effect.gen(function* () {
      const { file, from } = yield* openText(compressed)
      // a page loads it with the first such file
      const { elementEnds, outlineOf, rowsList } = yield* Effect.promise(() => import("./json-list.ts"))
      const outline = yield* outlineOf(file, from)
      if (outline.isLines) return linesOf({ file, from })
      const list = rowsList(outline)
      if ("problem" in list) return yield* dataError(file.name, list.problem)
      const rows: RowFile = {
        file: { ...file, size: list.end },
        from: list.from,
        ends: elementEnds,
        parse: (records) => records.map(elementOf)
      }
      return rows
    })
}

const elementOf = (record: RawRecord): Value | Broken => {
  const text = textOf(record)?.trim().replace(/,$/, "")
  if (text === undefined) return notUtf8(record)
  const parsed = parseBoundedJson(text)
  return "problem" in parsed ? { broken: `${parsed.problem.replace(/^is /, "")}: ${excerpt(text)}` } : parsed
}
