/** What can be wrong with a model folder, all of it at once. */
import * as Schema from "effect/Schema"

export class ModelError extends Schema.TaggedError<ModelError>()("ModelError", {
  folder: Schema.String,
  /** each a sentence that names the file */
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return this.problems.map((problem) => `model ${this.folder}: ${problem}`).join("\n")
  }
}
