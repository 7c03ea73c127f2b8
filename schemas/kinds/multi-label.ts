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

/** Schema of `model.task` for any number of labels per text: a linear head on the pooled hidden state. */
export const MultiLabelTask = headTask("multi-label", "Any number of labels per text.", "MultiLabel")

const MultiLabelModel = encoderSection(MultiLabelTask.pipe(withDefault({ kind: "multi-label" })), headOfTask)

/** Schema of `data` with `format: "multi-label"`: rows with a text and any number of labels. */
export const MultiLabelSection = Schema.Struct({
  format: Schema.Literal("multi-label").annotate({ description: "Rows with a text and any number of labels." }),
  ...splits,
  ...texts,
  label: column("Column with the labels of a row: a list, a JSON list as text, or names with a separator.").pipe(
    withDefault("labels")
  ),
  labelSeparator: text(
    "the character between labels",
    "Separator of the labels if the column holds text that is not a JSON list."
  ).pipe(withDefault("|")),
  labelColumns: Schema.optionalKey(
    columnList("A label and its column.", "Columns with 1 or 0, or true or false, one per label.")
  ),
  // or labelColumns
  labels: classes.labels,
  ...textLengths
}).annotate({ title: "Multi-label data", description: "Texts with labels, and how to batch them." })
export type MultiLabelSection = typeof MultiLabelSection.Type

/** Schema of plans for a Hugging Face encoder that predicts the labels of a text. */
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
      : "labels and labelColumns differ; the columns are the labels, so leave labels out"
)

export const multiLabelPlans: PlanKind<"multi-label", MultiLabelPlan, typeof MultiLabelPlan> = {
  formats: { "multi-label": MultiLabelPlan },
  rules: [...headRules, columnsAreTheLabels]
}
