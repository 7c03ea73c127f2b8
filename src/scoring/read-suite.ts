/** Reads suites and their rows. */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { closest, decodeSuite, type PlanProblem, type Suite } from "../../schemas/index.ts"
import { listedLines } from "../boundary/index.ts"
import {
  type Broken,
  Causal,
  columnText,
  DataError,
  type Fields,
  isBroken,
  isFields,
  kindOf,
  missingColumn,
  mostProblems,
  notAnObject,
  records
} from "../data/index.ts"
import { type Files, readJsonFile } from "../files/index.ts"
import { suites } from "./suites.ts"

/** Error of a suite that cannot be used, with all its problems. */
export class SuiteError extends Schema.TaggedError<SuiteError>()("SuiteError", {
  /** name or file of the suite */
  suite: Schema.String,
  /** problems, one sentence each */
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return `${this.suite}: ${this.problems.length === 1 ? this.problems[0] : `\n${listedLines(this.problems, (problem) => `  ${problem}`)}`}`
  }
}

const sentence = ({ path, message }: PlanProblem): string => (path === "" ? message : `${path}: ${message}`)

/** Reads a suite by its name, or from a JSON file: a path that ends in .json. Paths in a file are relative to its folder. */
export const readSuite = (nameOrFile: string): Effect.Effect<Suite, SuiteError, Files> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const failed = (problems: ReadonlyArray<string>) => new SuiteError({ suite: nameOrFile, problems })
    if (!nameOrFile.endsWith(".json")) {
      const names = Object.keys(suites)
      const near = closest(nameOrFile, names)
      if (!Object.hasOwn(suites, nameOrFile)) {
        const hint = near === undefined ? "" : `; did you mean ${near}?`
        return yield* failed([`no such suite; expected ${names.join(", ")} or a .json file${hint}`])
      }
      return Result.getOrThrow(decodeSuite(suites[nameOrFile]!))
    }
    const json = yield* readJsonFile(nameOrFile).pipe(Effect.mapError(({ reason }) => failed([reason])))
    if (!isFields(json)) return yield* failed([notAnObject(json)])
    const decoded = decodeSuite(json)
    if (Result.isFailure(decoded)) return yield* failed(decoded.failure.map(sentence))
    const suite = decoded.success
    const folder = path.dirname(nameOrFile)
    const placed = (rows: string) => (rows.startsWith("hf:") || path.isAbsolute(rows) ? rows : path.join(folder, rows))
    const { shots } = suite
    return {
      ...suite,
      rows: placed(suite.rows),
      ...(shots === undefined ? {} : { shots: { ...shots, rows: placed(shots.rows) } })
    }
  })

/** A row of a suite, with its question and expected answer. */
export interface SuiteRow {
  /** place of the row: `test.jsonl:12` */
  readonly where: string
  /** the row, with all its columns */
  readonly row: Fields
  /** messages before the answer; the question alone if the suite has a prompt */
  readonly question: ReadonlyArray<Causal.Message>
  /** expected answer */
  readonly expected: string
}

/** Reads the first `most` rows of a file as a suite's. Fails with all rows that lack a column of the suite. */
const readRows = (file: string, suite: Suite, most: number) =>
  Effect.gen(function* () {
    const rows: Array<SuiteRow> = []
    const problems: Array<string> = []
    const placed = yield* Stream.runCollect(Stream.take(records(file), most))
    for (const { value, where } of placed) {
      const asked = isFields(value) ? questionOf(suite, value) : { broken: notAnObject(value) }
      if (isBroken(asked)) problems.push(`${where}: ${asked.broken}`)
      else rows.push({ where, row: value as Fields, ...asked })
    }
    if (problems.length > 0) {
      return yield* new DataError({ where: file, problems: problems.slice(0, mostProblems), total: problems.length })
    }
    return rows
  }).pipe(Effect.scoped)

const questionOf = (suite: Suite, row: Fields): Pick<SuiteRow, "question" | "expected"> | Broken => {
  if (suite.messages !== undefined) return lastAnswer(row, suite.messages)
  const [prompt, answer] = [suite.prompt!, suite.answer!].map((text) => columnText(row, text, { blank: false }))
  const problems = [prompt!, answer!].flatMap((text) => (isBroken(text) ? [text.broken] : []))
  return problems.length > 0
    ? { broken: problems.join("; ") }
    : { question: [{ role: "user", content: prompt as string }], expected: answer as string }
}

const lastAnswer = (row: Fields, column: string): Pick<SuiteRow, "question" | "expected"> | Broken => {
  if (!Object.hasOwn(row, column)) return { broken: missingColumn(column, Object.keys(row)) }
  const list = row[column]
  if (!Array.isArray(list)) return { broken: `"${column}" is ${kindOf(list)}, expected a list of messages` }
  const messages = Causal.messagesIn(list)
  if (isBroken(messages)) return { broken: `"${column}": ${messages.broken}` }
  const [question, answer] = [messages.slice(0, -1), messages.at(-1)]
  return question.length > 0 && answer?.role === "assistant" && answer.content !== null
    ? { question, expected: answer.content }
    : { broken: `"${column}" does not end with an answer of the assistant in words, so there is no expected answer` }
}

/** Reads the rows of a suite, at most `most` of them; `file`: read instead of the suite's own. Fails for a file without rows. */
export const readSuiteRows = (suite: Suite, most = Number.POSITIVE_INFINITY, file = suite.rows) =>
  Effect.flatMap(readRows(file, suite, most), (rows) =>
    rows.length > 0
      ? Effect.succeed<ReadonlyArray<SuiteRow>>(rows)
      : Effect.fail(
          new DataError({ where: file, problems: ["the file has no rows; at least one is needed"], total: 1 })
        )
  )

/**
 * Reads the rows that a suite shows before each question: one more than it shows, if there are as many, since a row that is asked is not shown.
 * `count`: shown instead of the suite's own number. Fails if there are fewer than are shown.
 */
export const readShots = ({ shots, ...suite }: Suite, count = shots?.count ?? 0) =>
  Effect.gen(function* () {
    if (count === 0) return []
    if (shots === undefined) {
      return yield* new SuiteError({
        suite: suite.name,
        problems: [
          `found ${count} shots, but the suite names no rows for them; add "shots": { "rows": … } to a suite of your own`
        ]
      })
    }
    const rows = yield* readRows(shots.rows, suite, count + 1)
    if (rows.length < count) {
      return yield* new SuiteError({
        suite: suite.name,
        problems: [`${shots.rows} has ${rows.length} rows; expected at least ${count}, the number of shots`]
      })
    }
    return rows
  })
