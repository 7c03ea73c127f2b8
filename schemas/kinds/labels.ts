/** What plans have in common whose rows have one label each: the fields of the data section, and the loss. */
import * as Schema from "effect/Schema"
import { belowOne, choice, listOf, positive, text, withDefault } from "../fields.ts"
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
  ),
  holdOut: Schema.optionalKey(
    choice(
      ["stratified", "random"],
      "How a share for validation is drawn: of each class its share (stratified, also where this is absent), or of all rows alike (random)."
    )
  )
}

const weight = positive("How much a row of this class counts; 1 is a class that is not named.")

/** PyTorch's CrossEntropyLoss(weight, label_smoothing). */
export const LabelLoss = Schema.Struct({
  classWeights: Schema.optionalKey(
    Schema.Union([Schema.Literal("balanced"), Schema.Record(Schema.String, weight)]).annotate({
      expected: '"balanced", or an object of labels and their weights, each greater than 0',
      description:
        'How much the rows of a class count in training: "balanced" weighs each class by rows / (classes × rows of the class), so that all weigh alike; or a weight by label. A batch\'s loss is the weighted mean over its rows.'
    })
  ),
  labelSmoothing: belowOne(
    "ε: the row's own label is learned with probability 1 − ε + ε/classes, every other with ε/classes."
  ).pipe(withDefault(0))
}).annotate({
  title: "LabelLoss",
  description: "What training minimises: cross-entropy, weighted and smoothed. Evaluations report the plain one."
})
export type LabelLoss = typeof LabelLoss.Type

/** The sections of their own that plans over labelled rows have. */
export const labelSections = { loss: Schema.optionalKey(LabelLoss) }
