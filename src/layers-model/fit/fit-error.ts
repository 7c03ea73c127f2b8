/** What can be wrong before the first step, and with the data on the way. */
import * as Schema from "effect/Schema"

const Problem = Schema.Struct({ path: Schema.String, message: Schema.String })

/** Options, plan or the model's compilation do not allow to train or to evaluate: every problem, nothing was done. */
export class FitError extends Schema.TaggedError<FitError>()("FitError", {
  problems: Schema.Array(Problem)
}) {
  override get message() {
    return this.problems.map(({ path, message }) => `${path}: ${message}`).join("\n")
  }
}

/** Data that does not fit the model's inputs and outputs. `where`: "batch 3 of the dataset", "x and y". */
export class LayersDataError extends Schema.TaggedError<LayersDataError>()("LayersDataError", {
  where: Schema.String,
  problems: Schema.Array(Problem)
}) {
  override get message() {
    return this.problems.map(({ path, message }) => `${this.where}: ${path}: ${message}`).join("\n")
  }
}
