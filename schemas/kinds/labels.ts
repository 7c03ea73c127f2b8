/** What plans have in common whose rows have one label each: the fields of the data section, and the loss. */
import * as Schema from "effect/Schema"
import { choice, listOf, positive, setting, text, withDefault } from "../fields.ts"
import { labelSmoothing } from "../settings.ts"
import { column } from "./plan.ts"

const labelsExpected = "a list of labels, each once"

/** Returns the schema of a list of class names in the order of the logits. */
export const labelList = (description: string) =>
  listOf(1, text("a label", "A label."), labelsExpected, description).check(
    Schema.isUnique({ expected: labelsExpected })
  )

export const classes = {
  label: column("Column with the label.").pipe(withDefault("label")),
  labels: Schema.optionalKey(
    labelList("The labels in the order of the classes. Default: the labels in train, sorted.")
  ),
  holdOut: Schema.optionalKey(
    choice(
      ["stratified", "random"],
      "How to draw the validation fraction: the same fraction of every class (stratified), or from all rows (random). Default: stratified."
    )
  )
}

const weight = positive("Weight of the rows of this class; classes that are not listed have weight 1.")

/** Schema of `loss` for labelled rows: PyTorch's CrossEntropyLoss(weight, label_smoothing). */
export const LabelLoss = Schema.Struct({
  classWeights: Schema.optionalKey(
    Schema.Union([Schema.Literal("balanced"), Schema.Record(Schema.String, weight)]).annotate({
      expected: '"balanced", or an object with a weight greater than 0 per label',
      description:
        'Weights of the classes in training: "balanced" gives all classes the same total weight, rows / (classes × rows of the class) per row; or an object with a weight per label. The loss of a batch is the weighted mean over its rows.'
    })
  ),
  labelSmoothing: setting(
    labelSmoothing,
    "ε: the target probability is 1 − ε + ε/classes for the label of a row and ε/classes for every other."
  )
}).annotate({
  title: "LabelLoss",
  description:
    "Training loss: cross-entropy with class weights and label smoothing. Evaluations report plain cross-entropy."
})
export type LabelLoss = typeof LabelLoss.Type

/** Additional sections of plans over labelled rows. */
export const labelSections = { loss: Schema.optionalKey(LabelLoss) }
