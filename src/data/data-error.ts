/**
 * Errors of data: all problems of one or several files (the first ten of a file in words) in one
 * failure.
 */
import * as Schema from "effect/Schema"
import { closest } from "../../schemas/index.ts"
import { counted, cut, cutLines, listed, listedLines } from "../boundary/index.ts"

/**
 * Number of problems of a file that are spelled out, the first ones: a broken file of a million rows fills one screen instead of a
 * million lines.
 */
export const mostProblems = 10

/** Rows or files that cannot be used: the first problems with their places, and the total number. */
export class DataError extends Schema.TaggedError<DataError>()("DataError", {
  /** file or source */
  where: Schema.String,
  /** sentences that begin with their place, `train.jsonl:12: …` */
  problems: Schema.Array(Schema.String),
  /** total number of problems, including those not listed */
  total: Schema.Int
}) {
  override get message() {
    if (this.total === 1) return cutLines(this.problems[0] ?? this.where)
    const some = this.total > this.problems.length ? `, ${this.problems.length} of them` : ""
    const head = `${this.where}: ${counted(this.total, "problem")}${some}:`
    return [head, listedLines(this.problems, (problem) => `  ${problem}`)].join("\n")
  }
}

/** Creates the error of a single problem with a file or source. */
export const dataError = (where: string, reason: string): DataError =>
  new DataError({ where, problems: [`${where}: ${reason}`], total: 1 })

/** Joins several failures into one, so that a user sees the problems of every file at once. */
export const joinDataErrors = (errors: ReadonlyArray<DataError>): DataError =>
  new DataError({
    where: [...new Set(errors.map((error) => error.where))].join(", "),
    problems: errors.flatMap((error) => error.problems),
    total: errors.reduce((total, error) => total + error.total, 0)
  })

// maximum characters of a label in a message, and maximum number compared letter by letter: not every one of 65,000
const [longestLabel, mostCompared] = [60, 1_000]

/** Quotes a label for messages, truncated if it is long. */
export const quotedLabel = (label: string): string => `"${cut(label, longestLabel)}"`

/** Lists the first labels in a sentence. */
export const quotedLabels = (labels: ReadonlyArray<string>): string =>
  listed(labels.map(quotedLabel), mostProblems).join(", ")

/** Returns `; did you mean "positive"?`, or an empty text. */
export const labelHint = (label: string, labels: ReadonlyArray<string>): string => {
  const near = closest(label.slice(0, longestLabel), labels.slice(0, mostCompared))
  return near === undefined ? "" : `; did you mean ${quotedLabel(near)}?`
}
