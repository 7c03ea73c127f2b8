/** What is wrong with how an adapter was asked for, all of it at once. */
import * as Schema from "effect/Schema"

/** `path` is dotted, in the options ("targets.0"); empty where it is about all of them. */
export class AdaptError extends Schema.TaggedError<AdaptError>()("AdaptError", {
  model: Schema.String,
  problems: Schema.Array(Schema.Struct({ path: Schema.String, message: Schema.String }))
}) {
  override get message() {
    const lines = this.problems.map(({ path, message }) => (path === "" ? message : `${path}: ${message}`))
    return lines.length === 1 ? `${this.model}: ${lines[0]}` : `${this.model}:\n  ${lines.join("\n  ")}`
  }
}

/** One problem that is about no option. */
export const adaptError = (model: string, message: string): AdaptError =>
  new AdaptError({ model, problems: [{ path: "", message }] })
