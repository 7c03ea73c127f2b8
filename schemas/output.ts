/**
 * The `output` section: where the run folder is.
 *
 * Relative to the working directory, unlike inputs: what a plan reads belongs to the plan, what it writes to whoever runs it.
 */
import * as Schema from "effect/Schema"
import { text } from "./fields.ts"

export const OutputSection = Schema.Struct({
  directory: Schema.optionalKey(
    text(
      "a path to a new folder",
      "Run folder, relative to the working directory. Absent: a fresh runs/<plan name>-<n>."
    )
  )
}).annotate({ title: "Output", description: "Where the run folder is." })
export type OutputSection = typeof OutputSection.Type
