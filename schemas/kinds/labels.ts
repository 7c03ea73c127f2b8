/** The fields of a data section whose rows have one label each. */
import * as Schema from "effect/Schema"
import { listOf, text, withDefault } from "../fields.ts"
import { column } from "./plan.ts"

const labelsExpected = "a list of labels, each once"

/** Class names in the order of the logits. */
export const labelList = (description: string) =>
  listOf(1, text("a label", "A label."), labelsExpected, description).check(
    Schema.isUnique({ expected: labelsExpected })
  )

export const classes = {
  label: column("Column that holds the label.").pipe(withDefault("label")),
  labels: Schema.optionalKey(
    labelList("The labels in the order of the classes. Absent: those found in `train`, sorted.")
  )
}
