/**
 * Parquet files, by `hyparquet`: their rows written out once as JSON lines, one row group after the other, so that line n of what
 * is read is row n of the file. Columns that are not asked for are not decoded.
 *
 * Memory is one row group (the unit in which the format packs a column) and its rows.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { AsyncBuffer, Compressors, FileMetaData } from "hyparquet"
import { type DataError, dataError } from "../data-error.ts"
import type { DataFile } from "../file.ts"
import { spilled, type Write } from "../packed-file.ts"
import { columnProblems, type FileFormat, type Wanted } from "./format.ts"
import { jsonLines } from "./jsonl.ts"

// 50 ms and, in a page, 18 kB that other files do not need
const hyparquet = Effect.promise(() => import("hyparquet"))

export const parquet: FileFormat = {
  extensions: ["parquet"],
  gzip: false,
  open: (file, wanted) => Effect.flatMap(asJsonLines(file, wanted), (lines) => jsonLines.open(lines, wanted))
}

/** The rows as JSON lines. */
const asJsonLines = (packed: DataFile, wanted: Wanted): Effect.Effect<DataFile, DataError, Scope.Scope> =>
  Effect.gen(function* () {
    const library = yield* hyparquet
    const file = asyncBuffer(packed)
    const failed = (cause: unknown) =>
      `cannot be read as parquet: ${cause instanceof Error ? cause.message : String(cause)}`
    const metadata = yield* Effect.tryPromise({
      try: () => library.parquetMetadataAsync(file),
      catch: (cause) => dataError(packed.name, failed(cause))
    })
    const names = library.parquetSchema(metadata).children.map(({ element }) => element.name)
    const problems = columnProblems(names, wanted)
    if (problems.length > 0) return yield* dataError(packed.name, problems.join("; "))
    if (metadata.num_rows === 0n) return yield* dataError(packed.name, "the file has no rows; at least one is needed")
    const { required = [], optional = [] } = wanted.columns ?? {}
    const needed = new Set([...required.map(({ name }) => name), ...optional])
    const columns = wanted.columns === undefined ? names : names.filter((name) => needed.has(name))
    const limit = wanted.first ?? Number.POSITIVE_INFINITY
    return yield* spilled(
      packed.name,
      (write, signal) => writeRows(library, { file, metadata, columns, limit }, write, signal),
      failed
    )
  })

// Lines are written together: enough to make a write worth its while.
const rowsPerWrite = 1024

const writeRows = async (
  { parquetReadObjects }: typeof import("hyparquet"),
  { limit, ...source }: { file: AsyncBuffer; metadata: FileMetaData; columns: Array<string>; limit: number },
  write: Write,
  signal: AbortSignal
): Promise<void> => {
  const utf8 = new TextEncoder()
  let rowStart = 0
  for (const group of source.metadata.row_groups) {
    signal.throwIfAborted()
    const rowEnd = Math.min(limit, rowStart + Number(group.num_rows))
    if (rowStart >= limit) return
    const rows = await parquetReadObjects({ ...source, rowStart, rowEnd, compressors: compressors() })
    for (let at = 0; at < rows.length; at += rowsPerWrite) {
      const lines = rows.slice(at, at + rowsPerWrite).map((row) => `${JSON.stringify(row, plainNumbers)}\n`)
      await write(utf8.encode(lines.join("")))
    }
    rowStart = rowEnd
  }
}

/** 64-bit integers, which JSON does not have. */
const plainNumbers = (_: string, value: unknown): unknown => (typeof value === "bigint" ? Number(value) : value)

const asyncBuffer = ({ size, read }: DataFile): AsyncBuffer => ({
  byteLength: size,
  slice: async (start, end = size) => {
    // a range may reach back from the end, as those of arrays do
    const from = start < 0 ? Math.max(0, size + start) : start
    const bytes = await Effect.runPromise(read(from, Math.min(end, size) - from))
    return new Uint8Array(bytes).buffer
  }
})

/** Snappy is the library's own; the others are the system's, where there is one. */
const compressors = (): Compressors => {
  const { process } = globalThis as { readonly process?: NodeJS.Process }
  if (typeof process?.getBuiltinModule !== "function") return {}
  const zlib = process.getBuiltinModule("node:zlib")
  return {
    GZIP: (input) => zlib.gunzipSync(input),
    BROTLI: (input) => zlib.brotliDecompressSync(input),
    ZSTD: (input) => zlib.zstdDecompressSync(input)
  }
}
