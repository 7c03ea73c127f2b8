/**
 * One pass over a file that checks every row and notes where it is; from then on rows are read by position. The pass
 * costs time once (it parses everything), and buys exact shuffles, class counts and all broken rows before the first
 * step.
 */
import * as Effect from "effect/Effect"
import { DataError, dataError, problemsShown } from "./data-error.ts"
import type { DataFile } from "./data-file.ts"
import { type Broken, isBroken, type LabelledFields } from "./labelled-fields.ts"
import { type Position, type RawRecord, type RecordEnds, readRecords } from "./records.ts"
import type { LabelledText } from "./row.ts"
import { mostLabels, type RowIndex, rowIndexBuilder } from "./row-index.ts"
import type { LabelledTextSource } from "./source.ts"
import { type TextHashes, textHashBuilder } from "./text-hash.ts"

/** How rows are written in a file. */
export interface RowFormat {
  /** a scanner in its first state */
  readonly ends: () => RecordEnds
  /** One result for every record, in their order. */
  readonly parse: (records: ReadonlyArray<RawRecord>) => ReadonlyArray<LabelledFields | Broken>
}

/** A source whose rows have all been seen once. */
export interface ScannedSource extends LabelledTextSource {
  readonly index: RowIndex
  /** of the texts; not held by `read`, so that it goes when the source goes */
  readonly hashes: TextHashes
}

// Neighbouring rows are fetched with one read of at most so many bytes.
const longestRead = 1 << 22
// Reads in flight for rows that lie apart: enough to hide the latency of a disk.
const readsInFlight = 16

/** Scans the file from `from` on. Fails with all broken rows, or where there is no row at all. */
export const scanRows = (file: DataFile, from: Position, format: RowFormat): Effect.Effect<ScannedSource, DataError> =>
  Effect.gen(function* () {
    const builder = rowIndexBuilder()
    const hashBuilder = textHashBuilder()
    const problems: Array<string> = []
    let total = 0
    let tooManyLabels = false
    yield* readRecords(file, from, format.ends(), (records) => {
      format.parse(records).forEach((row, i) => {
        const record = records[i]!
        if (isBroken(row)) {
          if (total++ < problemsShown) problems.push(`${file.name}:${record.line}: ${row.broken}`)
        } else if (builder.add(record, row.label)) hashBuilder.add(row.text)
        else tooManyLabels = true
      })
    })
    if (tooManyLabels) {
      total++
      problems.unshift(`${file.name}: more than ${mostLabels} different labels; is this the right label column?`)
    }
    if (total > 0) return yield* new DataError({ where: file.name, problems, total })
    const index = builder.finish(file.size)
    if (index.rows === 0) return yield* dataError(file.name, "the file has no rows; at least one is needed")
    const hashes = hashBuilder.finish()
    const read: ScannedSource["read"] = (indices) => readRows(file, index, format, indices)
    return { index, hashes, rows: index.rows, where: file.name, read }
  })

const readRows = (
  file: DataFile,
  index: RowIndex,
  format: RowFormat,
  indices: ArrayLike<number>
): Effect.Effect<ReadonlyArray<LabelledText>, DataError> =>
  Effect.gen(function* () {
    const runs = neighbours(index, indices)
    const records = (yield* Effect.forEach(runs, (run) => readRun(file, index, run), {
      concurrency: readsInFlight
    })).flat()
    const rows: Array<LabelledText> = []
    for (const [i, row] of format.parse(records).entries()) {
      const where = `${file.name}:${records[i]!.line}`
      if (isBroken(row)) return yield* dataError(where, `the file changed while it was in use: ${row.broken}`)
      rows.push({ ...row, where })
    }
    return rows
  })

interface Run {
  readonly first: number
  count: number
}

/** Stretches of consecutive rows in the order asked for. */
const neighbours = (index: RowIndex, indices: ArrayLike<number>): ReadonlyArray<Run> => {
  const runs: Array<Run> = []
  for (const row of Array.from(indices)) {
    const run = runs.at(-1)
    const continues = run !== undefined && row === run.first + run.count
    if (continues && index.offset(row + 1) - index.offset(run.first) <= longestRead) run.count++
    else runs.push({ first: row, count: 1 })
  }
  return runs
}

const readRun = (file: DataFile, index: RowIndex, { first, count }: Run) =>
  Effect.map(
    file.read(index.offset(first), index.offset(first + count) - index.offset(first)),
    (bytes): ReadonlyArray<RawRecord> =>
      Array.from({ length: count }, (_, i) => {
        const offset = index.offset(first + i)
        const start = offset - index.offset(first)
        const end = index.offset(first + i + 1) - index.offset(first)
        return { bytes: bytes.subarray(start, end), offset, line: index.line(first + i) }
      })
  )
