import * as Schema from "effect/Schema"

/** A site whose factors cannot start as `adapter.init` says. */
export class StartError extends Schema.TaggedError<StartError>()("StartError", {
  site: Schema.String,
  init: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `adapter.init "${this.init}" cannot start ${this.site}: ${this.reason}`
  }
}
