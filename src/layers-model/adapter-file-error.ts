/**
 * An adapter that cannot be saved there, or a source that holds none for this model: everything that is wrong with it
 * at once.
 */
import * as Schema from "effect/Schema"

/** `source`: a folder, an URL, or what else it was called. */
export class AdapterFileError extends Schema.TaggedError<AdapterFileError>()("AdapterFileError", {
  source: Schema.String,
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    const { source, problems } = this
    return problems.length === 1 ? `${source}: ${problems[0]}` : `${source}:\n  ${problems.join("\n  ")}`
  }
}

/** The first six in full: another model's adapter is one mistake, not one for each tensor. */
export const condensed = (problems: ReadonlyArray<string>): ReadonlyArray<string> =>
  problems.length <= 6 ? problems : [...problems.slice(0, 6), `and ${problems.length - 6} more likewise`]

/** What was thrown, as the reason of an error that says where. */
export const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))
