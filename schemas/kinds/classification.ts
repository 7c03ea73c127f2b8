/**
 * Texts with one label each, for a Hugging Face encoder.
 *
 *   "model": { "source": "../models/minilm", "task": { "kind": "classification", "pooling": "mean" } }
 *   "data": { "format": "classification", "train": "train.jsonl", "validation": 0.1, "text": "text", "label": "label", "maxLength": 32 }
 */
import * as Schema from "effect/Schema"
import { withDefault } from "../fields.ts"
import { encoderSection, headOfTask, headRules, headTask, textLengths, texts } from "./encoder.ts"
import { classes, labelSections } from "./labels.ts"
import { type PlanKind, planOf, splits } from "./plan.ts"

/** Schema of `model.task` for one label per text: a linear head on the pooled hidden state. */
export const ClassificationTask = headTask("classification", "One label per text.", "Classification")
export type ClassificationTask = typeof ClassificationTask.Type

/** Schema of `model` for a text classifier. */
export const ModelSection = encoderSection(ClassificationTask.pipe(withDefault({ kind: "classification" })), headOfTask)
export type ModelSection = typeof ModelSection.Type

/** Schema of `data` with `format: "classification"`: rows with a text and its label. */
export const DataSection = Schema.Struct({
  format: Schema.Literal("classification").annotate({ description: "Rows with a text and its label." }),
  ...splits,
  ...texts,
  ...classes,
  ...textLengths
}).annotate({ title: "Data", description: "Labelled texts, and how to batch them." })
export type DataSection = typeof DataSection.Type

/** Schema of plans for a Hugging Face encoder that classifies texts. */
export const ClassificationPlan = planOf(
  ModelSection,
  DataSection,
  "ClassificationPlan",
  "A training run over labelled texts.",
  labelSections
)
export type ClassificationPlan = typeof ClassificationPlan.Type
/** A plan of a text classifier as written in a file: fields with a default may be left out. */
export type ClassificationPlanInput = typeof ClassificationPlan.Encoded

export const classificationPlans: PlanKind<"classification", ClassificationPlan, typeof ClassificationPlan> = {
  formats: { classification: ClassificationPlan },
  rules: headRules
}
