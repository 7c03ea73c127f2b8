/** Why a model of the Hugging Face Hub is not here. */
import * as Schema from "effect/Schema"

export class HubError extends Schema.TaggedError<HubError>()("HubError", {
  /** as the user wrote it: hf:owner/name@revision */
  source: Schema.String,
  /** each the end of a sentence that begins with the source */
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return this.problems.map((problem) => `${this.source}: ${problem}`).join("\n")
  }
}

export const hubError = (source: string, ...problems: ReadonlyArray<string>) => new HubError({ source, problems })
