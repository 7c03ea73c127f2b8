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

/** A `tf.LayersModel` that classifies. */
export const LayersModelSection = Schema.Struct({
  source: text(
    "a path to the model.json of a tf.LayersModel",
    "model.json of a tf.LayersModel, beside its weight files; relative to the plan file."
  ),
  head: Schema.Union([
    head,
    list(
      text("a layer's path", "A layer's name, or nested.name in a model inside the model."),
      layerPaths,
      "Layers that are trained themselves, with the head's learning rate."
    )
  ])
    .annotate({
      expected: `"new", "zeros", "checkpoint", or ${layerPaths}`,
      description:
        'Layers that are trained themselves, with the head\'s learning rate; or "new": the layer that computes a score for each class is replaced by one with an output for each label, weights N(0, 0.02²), bias 0, and trained itself; "zeros": the same, of zeros; "checkpoint": the model\'s own, frozen or adapted. A model with another number of classes than the data have labels gets a new head unless this says "checkpoint".'
    })
    .pipe(withDefault([]))
}).annotate({ title: "LayersModel", description: "Which tf.LayersModel is adapted." })
export type LayersModelSection = typeof LayersModelSection.Type

const columnsExpected = 'the name of a column, a pattern such as "pixel*", or a list of names'

/** Rows of numbers, for a LayersModel. */
export const ArraysSection = Schema.Struct({
  format: Schema.Literal("arrays").annotate({ description: "Rows of numbers, such as an image's, and a label." }),
  ...splits,
  input: Schema.Union([
    column("Column that holds the numbers of a row as a list; with a *, the columns that match hold one number each."),
    listOf(1, text("the name of a column", "A column of one number."), columnsExpected, "Columns of one number each.")
  ])
    .annotate({
      expected: columnsExpected,
      description:
        'Where the numbers of a row are, as many as the model\'s input has: a column that holds a list, nested or flat; or columns of one number each, as a list of names or as a pattern such as "pixel*", whose columns are taken in the order of their numbers.'
    })
    .pipe(withDefault("input")),
  scale: positive("What every number is multiplied by: 1/255 turns bytes into grey values.").pipe(withDefault(1)),
  ...classes
}).annotate({ title: "Arrays", description: "Rows of numbers with a label, and how they become batches." })
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
      ? "found an adapter of PEFT for a tf.LayersModel, whose layers PEFT does not have; expected none here"
      : undefined
  ),
  rule("blocks-to-recompute", "training.recompute", ({ training: { recompute } }) =>
    recompute === "blocks"
      ? 'found "blocks" for a tf.LayersModel, whose layers form no blocks; expected "none"'
      : undefined
  )
]

export const arraysPlans: PlanKind<"arrays", ArraysPlan, typeof ArraysPlan> = {
  formats: { arrays: ArraysPlan },
  rules: layersRules
}
