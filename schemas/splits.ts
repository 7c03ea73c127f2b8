/** Which rows are trained on and which are looked at: the fields that every `data` section has. */
import * as Schema from "effect/Schema"
import { share, text } from "./fields.ts"

/** train, validation and test of a format whose files have these extensions. */
export const splits = (extensions: string, written: string) => {
  const path = `a path to a ${extensions} file`
  const file = (what: string) => text(path, `${what} Relative to the plan file.`)
  return {
    train: file(`Rows to train on (${written}).`),
    validation: Schema.optionalKey(
      Schema.Union([
        file("Rows to evaluate during training."),
        share("The share of the training rows held out.")
      ]).annotate({
        expected: `${path}, or a fraction between 0 and 1 of the training rows`,
        description:
          "Rows to evaluate during training: a file, or the share of the training rows that is held out for it."
      })
    ),
    test: Schema.optionalKey(file("Rows to evaluate at the end."))
  }
}
