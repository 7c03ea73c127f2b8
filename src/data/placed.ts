/**
 * Values and where they stand: what a data source yields before anybody has looked at it. Records of a file are such
 * values, and so is whatever a program makes up, downloads or asks a database for.
 *
 * @example
 * Stream.fromIterable(films).pipe(placed("films"), validated(Film)) // what is wrong with one is told of films[3]
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { DataError, problemsShown } from "./data-error.ts"
import { openValueFile } from "./labelled-file.ts"
import { type RawRecord, recordReader, type ValueFile } from "./records.ts"

/** `where` is the value's place for error messages: `films.jsonl:12`. */
export interface Placed<A> {
  readonly value: A
  readonly where: string
}

/** Values of a source called `where`: the first is `where[0]`. */
export const placed =
  (where: string) =>
  <A, E, R>(values: Stream.Stream<A, E, R>): Stream.Stream<Placed<A>, E, R> =>
    values.pipe(
      Stream.zipWithIndex,
      Stream.map(([value, index]) => ({ value, where: `${where}[${index}]` }))
    )

// Rows handed on together: as many as `classification` reads at once.
const rowsTogether = 512

/**
 * The rows of a file once, in its order, as they are: the value of each line of a .jsonl or .ndjson file, an object of
 * strings for each row of a .csv file. The file streams by, whatever its size. Rows that cannot be read fail the
 * stream, those of a stretch of the file (1 MiB) at once.
 */
export const records = (path: string): Stream.Stream<Placed<unknown>, DataError> =>
  Stream.unwrap(
    Effect.map(openValueFile(path), (opened) => {
      const reader = recordReader(opened.file, opened.from, opened.ends())
      return Stream.paginate(undefined, () =>
        Effect.gen(function* () {
          const chunk = yield* reader.next
          if (chunk === undefined) return [[], Option.none<undefined>()] as const
          const read = readRows(opened, chunk)
          const problems = read.flatMap((row) => (isUnread(row) ? [problemOf(row)] : []))
          if (problems.length > 0) yield* brokenRows(opened.file.name, problems)
          const values = read.filter((row): row is Placed<unknown> => !isUnread(row))
          return [values, Option.some(undefined)] as const
        })
      )
    })
  ).pipe(Stream.rechunk(rowsTogether))

/** A row that says nothing, and why, as the end of a sentence that begins with its place. */
export interface Unread {
  readonly where: string
  readonly broken: string
}

export const isUnread = (row: Placed<unknown> | Unread): row is Unread => "broken" in row

export const problemOf = ({ where, broken }: Unread): string => `${where}: ${broken}`

/** What each record says. */
export const readRows = (
  { file, parse }: ValueFile,
  chunk: ReadonlyArray<RawRecord>
): ReadonlyArray<Placed<unknown> | Unread> =>
  parse(chunk).map((row, i) => ({ ...row, where: `${file.name}:${chunk[i]!.line}` }))

/** The first of these problems in words, and how many there are. */
export const brokenRows = (where: string, problems: ReadonlyArray<string>, total = problems.length): DataError =>
  new DataError({ where, problems: problems.slice(0, problemsShown), total })
