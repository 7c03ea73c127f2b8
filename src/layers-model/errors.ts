/** Errors of adapters of a LayersModel: of their options, their data and their files. Each lists every problem at once. */
import * as Schema from "effect/Schema"
import { listedLines } from "../boundary/index.ts"

/** `path` is dotted, in the options ("targets.0"); empty where it is about all of them. */
const Problem = Schema.Struct({
  /** dotted path in the options or in the data, such as "targets.0"; empty if the problem concerns all of them */
  path: Schema.String,
  /** the value and what was expected */
  message: Schema.String
})

/** Error of adapter options that do not fit the model. */
export class AdaptError extends Schema.TaggedError<AdaptError>()("AdaptError", {
  /** name of the model */
  model: Schema.String,
  /** problems, at least one */
  problems: Schema.Array(Problem)
}) {
  override get message() {
    return about(this.model, this.problems, ({ path, message }) => (path === "" ? message : `${path}: ${message}`))
  }
}

/** Returns an error with a single problem that concerns no option. */
export const adaptError = (model: string, message: string): AdaptError =>
  new AdaptError({ model, problems: [{ path: "", message }] })

/** Error of options, a plan or a compilation that do not allow training or evaluation. Nothing was changed. */
export class FitError extends Schema.TaggedError<FitError>()("FitError", {
  /** problems, at least one */
  problems: Schema.Array(Problem)
}) {
  override get message() {
    return listedLines(this.problems, ({ path, message }) => `${path}: ${message}`)
  }
}

/** Error of data that does not fit the model's inputs and outputs. */
export class LayersDataError extends Schema.TaggedError<LayersDataError>()("LayersDataError", {
  /** which data: "x and y", "batch 3 of the dataset" */
  where: Schema.String,
  /** problems, at least one */
  problems: Schema.Array(Problem)
}) {
  override get message() {
    return listedLines(this.problems, ({ path, message }) => `${this.where}: ${path}: ${message}`)
  }
}

/** Error of an adapter that cannot be saved to a target, or of a source without an adapter for this model. */
export class AdapterFileError extends Schema.TaggedError<AdapterFileError>()("AdapterFileError", {
  /** a folder, a URL, or the adapter's name */
  source: Schema.String,
  /** problems, a sentence each; at least one */
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return about(this.source, this.problems, String)
  }
}

const about = <Entry>(subject: string, problems: ReadonlyArray<Entry>, line: (problem: Entry) => string): string =>
  problems.length === 1
    ? `${subject}: ${listedLines(problems, line)}`
    : `${subject}:\n${listedLines(problems, (problem) => `  ${line(problem)}`)}`

/** Returns the first six problems and the number of the rest: another model's adapter is one mistake, not one for each tensor. */
export const condensed = (problems: ReadonlyArray<string>): ReadonlyArray<string> =>
  problems.length <= 6 ? problems : [...problems.slice(0, 6), `and ${problems.length - 6} more likewise`]
