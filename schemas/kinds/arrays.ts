/**
 * Rows of numbers with one label each, for a `tf.LayersModel`.
 *
 *   "model": { "source": "../models/digits/model.json", "head": ["scores"] }
 *   "data": { "format": "arrays", "train": "train.jsonl", "validation": 0.1, "input": "pixels", "label": "digit", "scale": 0.00392156862745098 }
 */
import * as Schema from "effect/Schema"
import { list, listOf, positive, text, withDefault } from "../fields.ts"
import { head } from "../model.ts"
import { type Rule, rule } from "../problems.ts"
import { classes, labelSections } from "./labels.ts"
import { type AnyPlan, column, formatFitsTheModel, onlyTopology, type PlanKind, planOf, splits } from "./plan.ts"

const layerPaths = "a list of layer paths"

/** Schema of `model` for a `tf.LayersModel` that classifies. */
export const LayersModelSection = Schema.Struct({
  source: text(
    "a path to the model.json of a tf.LayersModel",
    "model.json of a tf.LayersModel, next to its weight files; relative to the plan file."
  ),
  head: Schema.Union([
    head,
    list(
      text("a layer's path", "A layer name, or nested.name for a layer of a nested model."),
      layerPaths,
      "Layers to train in full, with the head's learning rate."
    )
  ])
    .annotate({
      expected: `"new", "zeros", "checkpoint", or ${layerPaths}`,
      description:
        'Layers to train in full, with the head\'s learning rate; or "new": replace the output layer by a trained one with one output per label, weights drawn from N(0, 0.02²), bias 0; "zeros": the same, initialized to 0; "checkpoint": keep the output layer, frozen or adapted. A model whose number of classes differs from the labels of the data gets a new head unless this is "checkpoint".'
    })
    .pipe(withDefault([]))
}).annotate({ title: "LayersModel", description: "The tf.LayersModel to adapt." })
export type LayersModelSection = typeof LayersModelSection.Type

const columnsExpected = 'a column name, a pattern such as "pixel*", or a list of names'

/** Schema of `data` with `format: "arrays"`: rows of numbers for a LayersModel. */
export const ArraysSection = Schema.Struct({
  format: Schema.Literal("arrays").annotate({
    description: "Rows of numbers with one label each, such as the pixels of images."
  }),
  ...splits,
  input: Schema.Union([
    column("Column with a list of numbers per row; with a *, all matching columns, one number each."),
    listOf(1, column("A column with one number per row."), columnsExpected, "Columns with one number per row.")
  ])
    .annotate({
      expected: columnsExpected,
      description:
        'The input values of a row, as many as the model takes: a column with a list, nested or flat; or columns with one number each, given as a list of names or a pattern such as "pixel*" (columns in numerical order).'
    })
    .pipe(withDefault("input")),
  scale: positive("Factor for every input value: 1/255 maps bytes to 0–1.").pipe(withDefault(1)),
  ...classes
}).annotate({ title: "Arrays", description: "Labelled rows of numbers, and how to batch them." })
export type ArraysSection = typeof ArraysSection.Type

/** A `tf.LayersModel` that classifies arrays. */
export const ArraysPlan = planOf(
  LayersModelSection,
  ArraysSection,
  "ArraysPlan",
  "A training run of a tf.LayersModel over labelled rows of numbers.",
  labelSections
)
export type ArraysPlan = typeof ArraysPlan.Type

/** Rules about every plan over a `tf.LayersModel`. */
export const layersRules: ReadonlyArray<Rule<AnyPlan>> = [
  formatFitsTheModel(onlyTopology),
  rule("adapters-of-peft-need-its-models", "adapter.from", ({ adapter }) =>
    "from" in adapter && adapter.from !== undefined
      ? "a PEFT adapter cannot be applied to a tf.LayersModel; leave adapter.from out"
      : undefined
  ),
  rule("blocks-to-recompute", "training.recompute", ({ training: { recompute } }) =>
    recompute === "blocks"
      ? 'found "blocks" for a tf.LayersModel, which has no transformer blocks; expected "none"'
      : undefined
  )
]

export const arraysPlans: PlanKind<"arrays", ArraysPlan, typeof ArraysPlan> = {
  formats: { arrays: ArraysPlan },
  rules: layersRules
}
