/**
 * The `output` section: where the run folder is, and how often the run is saved.
 *
 *   { "directory": "runs/movies", "checkpointEvery": 20, "keep": 2 }
 *
 * Relative to the working directory, unlike inputs: what a plan reads belongs to the plan, what it writes to whoever runs it.
 */
import * as Schema from "effect/Schema"
import { count, text, withDefault } from "./fields.ts"

export const OutputSection = Schema.Struct({
  directory: Schema.optionalKey(
    text(
      "a path to a new folder",
      "Run folder, relative to the working directory. Absent: a fresh runs/<plan name>-<n>."
    )
  ),
  checkpointEvery: count(1, "Steps between checkpoints, from which an interrupted run goes on.").pipe(withDefault(50)),
  keep: count(1, "Newest checkpoints that are kept; the one with the best evaluation is kept besides.").pipe(
    withDefault(2)
  )
}).annotate({ title: "Output", description: "Where the run folder is, and how often the run is saved." })
export type OutputSection = typeof OutputSection.Type
