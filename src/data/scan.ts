/**
 * One pass over a file that checks every row and notes where it is; from then on rows are read by position. The pass
 * costs time once (it parses everything), and buys exact shuffles, class counts and all broken rows before the first
 * step.
 */
import * as Effect from "effect/Effect"
import { type Broken, isBroken } from "./columns.ts"
import { DataError, dataError, problemsShown } from "./data-error.ts"
import type { DataFile } from "./file.ts"
import { placeOfLine, type RawRecord, type RowFile, readRecords } from "./records.ts"
import { mostLabels, type RowIndex, rowIndexBuilder, type TextHashes, textHashBuilder } from "./row-index.ts"
import type { LabelledText, Located, RowSource } from "./source.ts"

/** How rows of some form are read. */
export interface RowReader<Row> {
  /** What a row's value says. `line`: where it is, while the file is scanned; undefined when the row is read again. */
  readonly read: (value: unknown, line?: number) => Omit<Row, "where"> | Broken
  /** what of a row must not come twice: rows of one text repeat each other */
  readonly text: (row: Omit<Row, "where">) => string
  /** its class, where rows have classes: counted, and compared between rows that repeat each other; at most 65,535 different ones */
  readonly label?: (row: Omit<Row, "where">) => string
  /** called once for each row of the file, in their order, while it is scanned; absent: nothing is */
  readonly seen?: (row: Omit<Row, "where">) => void
}

/** A source whose rows have all been seen once. */
export interface ScannedSource<Row extends Located = LabelledText> extends Scanned {
  /** Rows by their numbers. */
  readonly read: RowSource<Row>["read"]
}

/** What is known of rows that were all seen once. */
export interface Scanned extends Omit<RowSource<never>, "read"> {
  /** where each row is in its file */
  readonly index: RowIndex
  /** of the texts; not held by `read`, so that it goes when the source goes */
  readonly hashes: TextHashes
  /** what messages call a row that is no line of a file; absent: its line */
  readonly place?: (row: number) => string
  /** what its rows are compared by, in messages; absent: "text" */
  readonly compared?: "image"
}

/** "train.jsonl:12" */
export const placeOfRow = ({ where, index, place }: Scanned, row: number): string =>
  place?.(row) ?? `${where}:${index.line(row)}`

// Neighbouring rows are fetched with one read of at most this many bytes.
const longestRead = 1 << 22
// Reads in flight for rows that lie apart: enough to hide the latency of a disk.
const readsInFlight = 16

/** Scans a file. Fails with all broken rows, or where there is no row at all. */
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
          if (total++ < problemsShown) problems.push(`${placeOfLine(rows, record.line)}: ${row.broken}`)
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
    const place = rows.place === undefined ? {} : { place: (row: number) => placeOfLine(rows, index.line(row)) }
    return { index, hashes: hashBuilder.finish(), rows: index.rows, where: file.name, read, ...place }
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
