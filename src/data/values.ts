/**
 * Values and their places: the output of a data source before validation, such as the records of a file, or values that
 * a program creates, downloads or queries from a database. They are validated against a schema of a library that the program
 * already uses: zod, valibot, arktype, effect, or any other with Standard Schema (https://standardschema.dev). Results have the
 * type of the schema.
 *
 *   placed      adds places to a program's own values
 *   records     reads the rows of a file unchanged
 *   validated   validates a stream of placed values in one pass, also an endless one
 *   rows        reads a file, and checks all of it before the first row, as for a plan's data
 *
 * `Schema.toStandardSchemaV1` converts an effect schema. Validators may be asynchronous (such as a database query);
 * `validated` validates a row once, and `rows` twice, since it keeps no rows in memory between its two passes.
 *
 * @example
 * import { Stream } from "effect"
 * import { placed, rows, tokenize, validated } from "tfjs-lora-pro/data"
 * import type { Model } from "tfjs-lora-pro/models"
 * import * as z from "zod" // or any other library with Standard Schema
 *
 * const Review = z.object({ review: z.string().min(1), stars: z.number().int().min(1).max(5) })
 *
 * // What is wrong with one is reported at reviews[3].
 * const checked = (reviews: ReadonlyArray<unknown>) =>
 *   Stream.fromIterable(reviews).pipe(placed("reviews"), validated(Review))
 *
 * const tokens = ({ tokenizer }: Model) =>
 *   rows("reviews.jsonl", Review).pipe(
 *     Stream.map(({ value, where }) => ({ text: value.review, label: value.stars > 3 ? "positive" : "negative", where })),
 *     tokenize(tokenizer, { maxLength: 32, labels: ["negative", "positive"] })
 *   )
 */
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { StandardSchemaV1 } from "effect/StandardSchema"
import * as Stream from "effect/Stream"
import { showValue } from "../../schemas/index.ts"
import { limit, messageOf } from "../boundary/index.ts"
import { type Fields, isFields, notAnObject } from "./columns.ts"
import { DataError, dataError, mostProblems } from "./data-error.ts"
import { tooManyColumns } from "./formats/format.ts"
import { openRows } from "./formats/index.ts"
import { placeOfLine, type RawRecord, type RowFile, recordReader, sayRead, type Table } from "./records.ts"

/** A value and its place for error messages: `films.jsonl:12`. */
export interface Placed<A> {
  /** the value */
  readonly value: A
  /** its file and line */
  readonly where: string
}

/** Adds places to the values of a source called `where`: the first is `where[0]`. */
export const placed =
  (where: string) =>
  <A, E, R>(values: Stream.Stream<A, E, R>): Stream.Stream<Placed<A>, E, R> =>
    values.pipe(
      Stream.zipWithIndex,
      Stream.map(([value, index]) => ({ value, where: `${where}[${index}]` }))
    )

// Number of rows to emit at once, as `classification` reads them.
const rowsPerChunk = 512

/**
 * Reads the rows of a file once, in order, unchanged: the value of each line of a .jsonl or .ndjson file, an object of
 * strings for each row of a .csv file, an object for each row of a .parquet file. Streams files of any size. Rows that cannot be parsed fail the
 * stream, all those of a stretch of the file (1 MiB) at once.
 */
export const records = (path: string): Stream.Stream<Placed<unknown>, DataError> =>
  Stream.unwrap(Effect.map(openRows(path), recordsOf))

const recordsOf = (opened: RowFile): Stream.Stream<Placed<unknown>, DataError> =>
  Stream.suspend(() => {
    const next = recordReader(opened)
    return Stream.paginate(undefined, () =>
      Effect.gen(function* () {
        const chunk = yield* next
        if (chunk === undefined) return [[], Option.none<undefined>()] as const
        const read = readRows(opened, chunk)
        const problems = read.flatMap((row) => (isUnread(row) ? [problemOf(row)] : []))
        if (problems.length > 0) yield* brokenRows(opened.file.name, problems)
        const values = read.filter((row): row is Placed<unknown> => !isUnread(row))
        return [values, Option.some(undefined)] as const
      })
    )
  }).pipe(Stream.rechunk(rowsPerChunk))

/** A row that cannot be parsed, with the reason as the end of a sentence that begins with its place. */
interface Unread {
  readonly where: string
  readonly broken: string
}

const isUnread = (row: Placed<unknown> | Unread): row is Unread => "broken" in row

const problemOf = ({ where, broken }: Unread): string => `${where}: ${broken}`

/** Parses records. */
const readRows = (opened: RowFile, chunk: ReadonlyArray<RawRecord>): ReadonlyArray<Placed<unknown> | Unread> =>
  opened.parse(chunk).map((row, i) => ({ ...row, where: placeOfLine(opened, chunk[i]!.line) }))

/** Returns the error for the first of these problems in words, and the total number. */
const brokenRows = (where: string, problems: ReadonlyArray<string>, total = problems.length): DataError =>
  new DataError({ where, problems: problems.slice(0, mostProblems), total })

type Output<S extends StandardSchemaV1> = StandardSchemaV1.InferOutput<S>

/**
 * Validates each value and emits the schema's output. Invalid values fail the stream: all those of one chunk at once,
 * with every issue of each and its place.
 */
export const validated =
  <S extends StandardSchemaV1>(schema: S) =>
  <E, R>(values: Stream.Stream<Placed<unknown>, E, R>): Stream.Stream<Placed<Output<S>>, E | DataError, R> =>
    Stream.mapArrayEffect(values, (chunk) =>
      Effect.gen(function* () {
        const { fitting, problems } = yield* validate(schema, chunk)
        if (problems.length > 0) yield* brokenRows(sourceOf(chunk[0].where), problems)
        return fitting as unknown as Arr.NonEmptyReadonlyArray<Placed<Output<S>>> // as many as came
      })
    )

/**
 * Reads the rows of a data file once, in order, and emits the schema's output. Checks the whole file
 * before the first row; all problems are reported in one error.
 */
export const rows = <S extends StandardSchemaV1>(
  path: string,
  schema: S
): Stream.Stream<Placed<Output<S>>, DataError> =>
  Stream.unwrap(Effect.as(checkRows(path, schema), records(path).pipe(validated(schema))))

const checkRows = (path: string, schema: StandardSchemaV1): Effect.Effect<unknown, DataError, Scope.Scope> =>
  Effect.flatMap(openRows(path), (opened) =>
    checkEach(opened, (read) => Effect.map(validate(schema, read), ({ problems }) => problems))
  )

/** Reads all rows once and returns their number. `problemsIn` returns one sentence for each invalid row. */
const checkEach = (
  opened: RowFile,
  problemsIn: (read: ReadonlyArray<Placed<unknown> | Unread>) => Effect.Effect<ReadonlyArray<string>, DataError>
): Effect.Effect<number, DataError> =>
  Effect.gen(function* () {
    const next = recordReader(opened)
    const problems: Array<string> = []
    let [total, rows] = [0, 0]
    for (let chunk = yield* next; chunk !== undefined; chunk = yield* next) {
      yield* sayRead(opened.file, chunk)
      const wrong = yield* problemsIn(readRows(opened, chunk))
      rows += chunk.length
      total += wrong.length
      problems.push(...wrong.slice(0, mostProblems - problems.length))
    }
    if (total > 0) yield* brokenRows(opened.file.name, problems, total)
    if (rows === 0) yield* dataError(opened.file.name, "the file has no rows; at least one is needed")
    return rows
  })

/** A file whose rows have all been checked. */
export interface CheckedRows {
  /** number of rows, at least 1 */
  readonly rows: number
  /** columns of all rows, in order of appearance */
  readonly columns: ReadonlyArray<string>
  /** properties of a table; absent for other files */
  readonly table?: Table
  /** Streams the rows in file order; reads the file on each run. */
  readonly records: Stream.Stream<Placed<Fields>, DataError>
}

/**
 * Opens a data file until the scope closes and reads all of it once. Fails with all rows that cannot be parsed, are not objects, or for which
 * `wrong` returns a problem.
 */
export const openChecked = (
  path: string,
  wrong: (row: Fields) => string | undefined
): Effect.Effect<CheckedRows, DataError, Scope.Scope> =>
  Effect.gen(function* () {
    const opened = yield* openRows(path)
    const columns = new Set(opened.table?.columns)
    const reasonOf = (row: Placed<unknown> | Unread): string | undefined => {
      if (isUnread(row)) return row.broken
      if (!isFields(row.value)) return notAnObject(row.value)
      if (columns.size <= limit("columns")) for (const name of Object.keys(row.value)) columns.add(name)
      return wrong(row.value)
    }
    const rows = yield* checkEach(opened, (read) =>
      Effect.sync(() =>
        read.flatMap((row) => {
          const broken = reasonOf(row)
          return broken === undefined ? [] : [problemOf({ where: row.where, broken })]
        })
      )
    )
    const [many] = tooManyColumns([...columns]) ?? []
    if (many !== undefined) return yield* dataError(opened.file.name, many)
    const { table } = opened
    return {
      rows,
      columns: [...columns],
      ...(table === undefined ? {} : { table }),
      records: recordsOf(opened) as Stream.Stream<Placed<Fields>, DataError>
    }
  })

// Asynchronous validators to run concurrently: enough to hide the latency of services.
const inFlight = 16

interface Validated<A> {
  readonly fitting: ReadonlyArray<Placed<A>>
  /** one sentence per issue */
  readonly problems: ReadonlyArray<string>
}

const validate = <S extends StandardSchemaV1>(
  schema: S,
  read: ReadonlyArray<Placed<unknown> | Unread>
): Effect.Effect<Validated<Output<S>>, DataError> =>
  Effect.gen(function* () {
    const judge = (row: Placed<unknown> | Unread) =>
      isUnread(row) ? Effect.succeed([problemOf(row)]) : judged(schema, row)
    const fitting: Array<Placed<Output<S>>> = []
    const problems: Array<string> = []
    for (const outcome of yield* Effect.forEach(read, judge, { concurrency: inFlight })) {
      if ("where" in outcome) fitting.push(outcome)
      else problems.push(...outcome)
    }
    return { fitting, problems }
  })

/** Returns the schema's output for a row, or one sentence per issue. */
const judged = <S extends StandardSchemaV1>(schema: S, row: Placed<unknown>) =>
  Effect.map(resultOf(schema, row), (result): Placed<Output<S>> | ReadonlyArray<string> =>
    result.issues === undefined
      ? { value: result.value as Output<S>, where: row.where }
      : result.issues.map((issue) => `${row.where}: ${sentence(row.value, issue)}`)
  )

/** Calls a validator, which may throw: it is third-party code, on a value that it did not choose. */
const resultOf = (schema: StandardSchemaV1, { value, where }: Placed<unknown>) =>
  Effect.suspend((): Effect.Effect<StandardSchemaV1.Result<unknown>, DataError> => {
    const thrown = (cause: unknown) => dataError(where, `the schema threw an error: ${messageOf(cause)}`)
    try {
      const result = schema["~standard"].validate(value)
      return result instanceof Promise
        ? Effect.tryPromise({ try: () => result, catch: thrown })
        : Effect.succeed(result)
    } catch (cause) {
      return Effect.fail(thrown(cause))
    }
  })

/**
 * Formats an issue: "stars: found 9; Too big: expected number to be <=5": path, value, and the library's message, on one
 * line.
 */
const sentence = (value: unknown, { message, path = [] }: StandardSchemaV1.Issue): string => {
  // not path.map: arktype's paths are a subclass whose map turns missing entries into 0
  const keys = Array.from(path, (segment) => (typeof segment === "object" ? segment.key : segment))
  const inner = keys.reduce<Found>(inside, { value })
  const words = message.trim().replace(/\s+/g, " ")
  const sentence = `${inner === undefined ? "missing" : `found ${valueText(inner.value)}`}; ${words}`
  return keys.length === 0 ? sentence : `${keys.map(String).join(".")}: ${sentence}`
}

/** Formats a value. Values created in code may be anything, including circular ones. */
const valueText = (value: unknown): string => {
  try {
    return showValue(value)
  } catch {
    return "an object"
  }
}

type Found = { readonly value: unknown } | undefined

const inside = (holder: Found, key: PropertyKey): Found => {
  const value = holder?.value
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined
  return { value: (value as { readonly [key: PropertyKey]: unknown })[key] }
}

/** Returns the source of a place: `films.jsonl` of `films.jsonl:12`, `films` of `films[3]`. */
const sourceOf = (where: string): string => where.replace(/(:\d+|\[\d+\])$/, "")
