/**
 * Texts with any number of labels each, for a Hugging Face encoder.
 *
 *   "model": { "source": "../models/minilm", "task": { "kind": "multi-label", "pooling": "mean" } }
 *   "data": { "format": "multi-label", "train": "posts.jsonl", "label": "tags", "maxLength": 64 }
 *   "data": { "format": "multi-label", "train": "posts.csv", "labelColumns": ["spam", "rude"] }
 */
import * as Schema from "effect/Schema"
import { text, withDefault } from "../fields.ts"
import { type Rule, rule } from "../problems.ts"
import { encoderSection, headOfTask, headRules, headTask, textLengths, texts } from "./encoder.ts"
import { classes } from "./labels.ts"
import { column, columnList, type PlanKind, planOf, splits } from "./plan.ts"

/** Labels that a text has or has not, each for itself: a pooled hidden state and a linear head. */
export const MultiLabelTask = headTask("multi-label", "Any number of labels per text.", "MultiLabel")

const MultiLabelModel = encoderSection(MultiLabelTask.pipe(withDefault({ kind: "multi-label" })), headOfTask)

/** Schema of `data` with `format: "multi-label"`: a text and any number of labels. */
export const MultiLabelSection = Schema.Struct({
  format: Schema.Literal("multi-label").annotate({ description: "Rows of a text and any number of labels." }),
  ...splits,
  ...texts,
  label: column(
    "Column that holds the list of a row's labels: a list, one as JSON text, or names with a separator."
  ).pipe(withDefault("labels")),
  labelSeparator: text(
    "the character between labels",
    "The separator of labels where the column holds text that is no JSON list."
  ).pipe(withDefault("|")),
  labelColumns: Schema.optionalKey(
    columnList("A label, and its column.", "Columns of 1 or 0, true or false, one a label.")
  ),
  // or labelColumns
  labels: classes.labels,
  ...textLengths
}).annotate({ title: "Multi-label data", description: "Rows of text with labels, and how they become batches." })
export type MultiLabelSection = typeof MultiLabelSection.Type

/** A Hugging Face encoder that tells which labels a text has. */
export const MultiLabelPlan = planOf(
  MultiLabelModel,
  MultiLabelSection,
  "MultiLabelPlan",
  "A training run over texts with any number of labels."
)
export type MultiLabelPlan = typeof MultiLabelPlan.Type

const columnsAreTheLabels: Rule<MultiLabelPlan> = rule(
  "columns-are-the-labels",
  "data.labels",
  ({ data: { labels, labelColumns } }) =>
    labels === undefined || labelColumns === undefined || labels.join("\0") === labelColumns.join("\0")
      ? undefined
      : "found labels other than labelColumns, whose names they are; expected labelColumns alone"
)

export const multiLabelPlans: PlanKind<"multi-label", MultiLabelPlan, typeof MultiLabelPlan> = {
  formats: { "multi-label": MultiLabelPlan },
  rules: [...headRules, columnsAreTheLabels]
}
