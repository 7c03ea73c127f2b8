/**
 * Scans a file once: checks every row and records its position, so that rows can then be read by position. The pass
 * takes time once (it parses everything), and allows exact shuffles, class counts and reporting all broken rows before the first
 * step.
 */
import * as Effect from "effect/Effect"
import { type Broken, isBroken } from "./columns.ts"
import { DataError, dataError, mostProblems } from "./data-error.ts"
import type { DataFile } from "./file.ts"
import { placeOfLine, type RawRecord, type RowFile, readRecords } from "./records.ts"
import { mostLabels, type RowIndex, rowIndexBuilder, type TextHashes, textHashBuilder } from "./row-index.ts"
import type { LabelledText, Located, RowSource } from "./source.ts"

/** Reader of rows of a form. */
export interface RowReader<Row> {
  /** Parses a row's value. `line`: its line during the scan; undefined when the row is read again. */
  readonly read: (value: unknown, line?: number) => Omit<Row, "where"> | Broken
  /** returns the text of a row, by which duplicates are found */
  readonly text: (row: Omit<Row, "where">) => string
  /** returns the class of a row, if rows have classes: counted, and compared between duplicates; at most 65,535 distinct ones */
  readonly label?: (row: Omit<Row, "where">) => string
  /** called once for each row of the file, in order, during the scan; absent: not called */
  readonly seen?: (row: Omit<Row, "where">) => void
}

/** A source whose rows have all been read once. */
export interface ScannedSource<Row extends Located = LabelledText> extends Scanned {
  /** Reads rows by index. */
  readonly read: RowSource<Row>["read"]
}

/** Results of a scan of rows. */
export interface Scanned extends Omit<RowSource<never>, "read"> {
  /** position of each row in its file */
  readonly index: RowIndex
  /** hashes of the texts; not referenced by `read`, so that they are freed with the source */
  readonly hashes: TextHashes
  /** returns the name of a row in messages, if it is not a line of a file; absent: its line */
  readonly place?: (row: number) => string
  /** property by which rows are compared, in messages; absent: "text" */
  readonly compared?: "image"
}

/** Returns the place of a row: "train.jsonl:12". */
export const placeOfRow = ({ where, index, place }: Scanned, row: number): string =>
  place?.(row) ?? `${where}:${index.line(row)}`

// Neighbouring rows are fetched with one read of at most this number of bytes.
const longestRead = 1 << 22
// Concurrent reads for rows that are far apart: enough to hide the latency of a disk.
const readsInFlight = 16

/** Scans a file. Fails with all broken rows, or if there are no rows. */
export const scanRows = <Row extends Located>(
  rows: RowFile,
  reader: RowReader<Row>
): Effect.Effect<ScannedSource<Row>, DataError> =>
  Effect.gen(function* () {
    const { file } = rows
    const builder = rowIndexBuilder()
    const hashBuilder = textHashBuilder()
    const problems: Array<string> = []
    let total = 0
    let tooManyLabels = false
    yield* readRecords(rows, (records) => {
      rows.parse(records).forEach((parsed, i) => {
        const record = records[i]!
        const row = "broken" in parsed ? parsed : reader.read(parsed.value, record.line)
        if (isBroken(row)) {
          if (total++ < mostProblems) problems.push(`${placeOfLine(rows, record.line)}: ${row.broken}`)
        } else if (builder.add(record, reader.label?.(row) ?? "")) {
          hashBuilder.add(reader.text(row))
          reader.seen?.(row)
        } else tooManyLabels = true
      })
    })
    if (tooManyLabels) {
      total++
      problems.unshift(`${file.name}: more than ${mostLabels} different labels; is this the right label column?`)
    }
    if (total > 0) return yield* new DataError({ where: file.name, problems, total })
    const index = builder.finish(file.size)
    if (index.rows === 0) return yield* dataError(file.name, "the file has no rows; at least one is needed")
    const read: ScannedSource<Row>["read"] = (indices) => readAt(rows, index, reader, indices)
    const placing = rows.place === undefined ? {} : { place: (row: number) => placeOfLine(rows, index.line(row)) }
    return { index, hashes: hashBuilder.finish(), rows: index.rows, where: file.name, read, ...placing }
  })

const readAt = <Row extends Located>(
  opened: RowFile,
  index: RowIndex,
  reader: RowReader<Row>,
  indices: ArrayLike<number>
): Effect.Effect<ReadonlyArray<Row>, DataError> =>
  Effect.gen(function* () {
    const runs = neighbours(index, indices)
    const records = (yield* Effect.forEach(runs, (run) => readRun(opened.file, index, run), {
      concurrency: readsInFlight
    })).flat()
    const rows: Array<Row> = []
    for (const [i, parsed] of opened.parse(records).entries()) {
      const where = placeOfLine(opened, records[i]!.line)
      const row = "broken" in parsed ? parsed : reader.read(parsed.value)
      if (isBroken(row)) return yield* dataError(where, `the file changed while it was in use: ${row.broken}`)
      rows.push({ ...row, where } as Row)
    }
    return rows
  })

interface Run {
  readonly first: number
  count: number
}

/** Returns stretches of consecutive rows, in the requested order. */
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
