/**
 * What can be wrong with data: all problems of a file (the first ten of them in words), or of several files, in one
 * failure.
 */
import * as Schema from "effect/Schema"
import { closest } from "../../schemas/index.ts"
import { counted, cut, cutLines, listed, listedLines } from "../boundary/index.ts"

/**
 * So many problems of a file are spelled out, the first ones; a broken file of a million rows needs one screen, not a
 * million lines.
 */
export const problemsShown = 10

/** Rows or files that cannot be used: the first problems, each with its place, and how many there are. */
export class DataError extends Schema.TaggedError<DataError>()("DataError", {
  /** the file or source */
  where: Schema.String,
  /** sentences that begin with their place, `train.jsonl:12: …` */
  problems: Schema.Array(Schema.String),
  /** how many there are, shown or not */
  total: Schema.Int
}) {
  override get message() {
    if (this.total === 1) return cutLines(this.problems[0] ?? this.where)
    const some = this.total > this.problems.length ? `, ${this.problems.length} of them` : ""
    const head = `${this.where}: ${counted(this.total, "problem")}${some}:`
    return [head, listedLines(this.problems, (problem) => `  ${problem}`)].join("\n")
  }
}

/** One problem with a file or source as a whole. */
export const dataError = (where: string, reason: string): DataError =>
  new DataError({ where, problems: [`${where}: ${reason}`], total: 1 })

/** Several failures as one, so that a user sees what is wrong with every file at once. */
export const joinDataErrors = (errors: ReadonlyArray<DataError>): DataError =>
  new DataError({
    where: [...new Set(errors.map((error) => error.where))].join(", "),
    problems: errors.flatMap((error) => error.problems),
    total: errors.reduce((total, error) => total + error.total, 0)
  })

// characters of a label in a message, and how many are compared letter by letter: not every one of 65,000
const [longestShown, mostCompared] = [60, 1_000]

/** A label in quotes, cut where it is long, for messages. */
export const shownLabel = (label: string): string => `"${cut(label, longestShown)}"`

/** The first labels in a sentence. */
export const shownLabels = (labels: ReadonlyArray<string>): string =>
  listed(labels.map(shownLabel), problemsShown).join(", ")

/** `; did you mean "positive"?`, or nothing. */
export const labelHint = (label: string, labels: ReadonlyArray<string>): string => {
  const near = closest(label.slice(0, longestShown), labels.slice(0, mostCompared))
  return near === undefined ? "" : `; did you mean ${shownLabel(near)}?`
}
