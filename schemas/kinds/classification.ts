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

/** One label per text: a pooled hidden state and a linear head. */
export const ClassificationTask = headTask("classification", "One label per text.", "Classification")
export type ClassificationTask = typeof ClassificationTask.Type

/** Schema of `model` of a classifier of texts. */
export const ModelSection = encoderSection(ClassificationTask.pipe(withDefault({ kind: "classification" })), headOfTask)
export type ModelSection = typeof ModelSection.Type

/** Schema of `data` with `format: "classification"`: rows of a text and its label. */
export const DataSection = Schema.Struct({
  format: Schema.Literal("classification").annotate({ description: "Rows of a text and its label." }),
  ...splits,
  ...texts,
  ...classes,
  ...textLengths
}).annotate({ title: "Data", description: "Rows of labelled text and how they become batches." })
export type DataSection = typeof DataSection.Type

/** A Hugging Face encoder that classifies texts. */
export const ClassificationPlan = planOf(
  ModelSection,
  DataSection,
  "ClassificationPlan",
  "A training run over labelled texts.",
  labelSections
)
export type ClassificationPlan = typeof ClassificationPlan.Type
/** A plan of a classifier as it is written: what has a default may be left out. */
export type ClassificationPlanInput = typeof ClassificationPlan.Encoded

export const classificationPlans: PlanKind<"classification", ClassificationPlan, typeof ClassificationPlan> = {
  formats: { classification: ClassificationPlan },
  rules: headRules
}
