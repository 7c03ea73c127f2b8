/** What can go wrong with an adapter over a LayersModel: how it was asked for, its data, and its files. Always every problem at once. */
import * as Schema from "effect/Schema"
import { listedLines } from "../boundary/index.ts"

/** `path` is dotted, in the options ("targets.0"); empty where it is about all of them. */
const Problem = Schema.Struct({
  /** dotted, in the options or in the data: "targets.0"; empty where it is about all of them */
  path: Schema.String,
  /** what was found and what is expected */
  message: Schema.String
})

/** The options of an adapter do not fit the model. */
export class AdaptError extends Schema.TaggedError<AdaptError>()("AdaptError", {
  /** the model's name */
  model: Schema.String,
  /** at least one */
  problems: Schema.Array(Problem)
}) {
  override get message() {
    return about(this.model, this.problems, ({ path, message }) => (path === "" ? message : `${path}: ${message}`))
  }
}

/** One problem that is about no option. */
export const adaptError = (model: string, message: string): AdaptError =>
  new AdaptError({ model, problems: [{ path: "", message }] })

/** Options, plan or the model's compilation do not allow training or evaluation; nothing was done. */
export class FitError extends Schema.TaggedError<FitError>()("FitError", {
  /** at least one */
  problems: Schema.Array(Problem)
}) {
  override get message() {
    return listedLines(this.problems, ({ path, message }) => `${path}: ${message}`)
  }
}

/** Data that does not fit the model's inputs and outputs. `where`: "batch 3 of the dataset", "x and y". */
export class LayersDataError extends Schema.TaggedError<LayersDataError>()("LayersDataError", {
  /** "x and y", "batch 3 of the dataset" */
  where: Schema.String,
  /** at least one */
  problems: Schema.Array(Problem)
}) {
  override get message() {
    return listedLines(this.problems, ({ path, message }) => `${this.where}: ${path}: ${message}`)
  }
}

/** An adapter that cannot be saved there, or a source that holds none for this model. `source`: a folder, a URL, or its name. */
export class AdapterFileError extends Schema.TaggedError<AdapterFileError>()("AdapterFileError", {
  /** a folder, a URL, or the adapter's name */
  source: Schema.String,
  /** a sentence each; at least one */
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

/** The first six in full: another model's adapter is one mistake, not one for each tensor. */
export const condensed = (problems: ReadonlyArray<string>): ReadonlyArray<string> =>
  problems.length <= 6 ? problems : [...problems.slice(0, 6), `and ${problems.length - 6} more likewise`]
