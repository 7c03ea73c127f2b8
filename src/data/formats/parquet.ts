/** Parquet files: their rows are written out as JSON lines and read from those. */
import * as Effect from "effect/Effect"
import type { FileFormat } from "./format.ts"
import { linesOf } from "./jsonl.ts"

const openParts: NonNullable<FileFormat["openParts"]> = (files, wanted) =>
  Effect.gen(function* () {
    // 50 ms and, in a page, 18 kB that other files do not need
    const { asJsonLines } = yield* Effect.promise(() => import("./parquet-rows.ts"))
    const { lines, count } = yield* asJsonLines(files, wanted)
    return { ...linesOf({ file: lines, from: { offset: 0, line: 1 } }), count }
  })

export const parquet: FileFormat = {
  name: "Parquet",
  extensions: ["parquet"],
  gzip: false,
  open: (file, wanted) => openParts([file], wanted),
  openParts
}
