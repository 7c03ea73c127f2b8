/** What `merge` writes, as a format: the run's model with what was trained in place, compared with the run before it stays. */
import * as Effect from "effect/Effect"
import type { Publisher } from "../kinds/index.ts"
import { writeMergedRun } from "../trained/index.ts"
import type { ExportWriter } from "./format.ts"

/** Forms that a merged model may have, and what each is called. */
const called = {
  huggingface: "a Hugging Face folder",
  "layers-model": "a tf.LayersModel"
} as const satisfies Record<Publisher["mergesInto"], string>

export const mergedWriter = (form: Publisher["mergesInto"]): ExportWriter => ({
  obstacle: ({ kind }) =>
    Effect.map(Effect.promise(kind.publisher), ({ mergesInto }) =>
      mergesInto === form ? undefined : `merges into ${called[mergesInto]}: use --format ${mergesInto}`
    ),
  write: ({ directory, open }, folder) =>
    Effect.map(writeMergedRun(directory, open, folder), ({ tensors, check }) => ({
      lines: [
        `On ${check.rows} ${check.split} rows its ${check.words.output}s differ from the run's by at most ${check.largestDifference.toExponential(1)}.`
      ],
      json: { tensors, check }
    })).pipe(Effect.scoped)
})
