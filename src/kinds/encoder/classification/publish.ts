/** Text classification with a Hugging Face encoder: exports. */
import type { Adapted } from "../../../../adapters/index.ts"
import type { ClassificationPlan } from "../../../../schemas/index.ts"
import type { ClassificationSplit } from "../../../data/index.ts"
import type { Model } from "../../../models/index.ts"
import { CHECKED_ROWS, fenced, trainedFor } from "../../../output/index.ts"
import { logitsOfRows } from "../../../training/index.ts"
import { classesLimits, classesPurpose } from "../../rows/predictions.ts"
import { headPublisher } from "../publish.ts"
import { longestText } from "../resolve.ts"
import { logitsUse, pipelineUse } from "../served.ts"
import { evaluationOf, type ResolvedClassificationPlan } from "./run.ts"

const answer = ["print([labels[i] for i in logits.argmax(-1).tolist()])"]

/** Returns logits [rows, classes] of the rows to compare, in their order. */
const checkedLogits = (adapted: Adapted, plan: ClassificationPlan, source: ClassificationSplit) => {
  const rows = Math.min(CHECKED_ROWS, source.rows)
  return evaluationOf(adapted, plan, source, rows).pipe(logitsOfRows(adapted, rows))
}

export const publishClassification = headPublisher<
  ClassificationPlan,
  ResolvedClassificationPlan,
  Model,
  ClassificationSplit
>({
  problemType: "single_label_classification",
  words: { output: "logit", answer: "label" },
  alone: "A classification head",
  task: "text-classification",
  purpose: ({ labels }) => classesPurpose(labels, "text"),
  limits: ({ labels }) => classesLimits(labels, "text"),
  python: () => ({ answer }),
  introduction: ({ adapted: { model }, steps }, change) => [
    `A text classifier: ${change}${trainedFor(steps)}, merged into the base model. Its classes, in the order of the logits:`,
    "",
    fenced("json", [JSON.stringify(model.labels)])
  ],
  mergedPython: ({ plan, adapted: { model } }) => {
    const texts =
      plan.data.textPair === undefined ? '["your text"]' : '[{"text": "your text", "text_pair": "the other"}]'
    return {
      loading: [
        "from transformers import pipeline",
        "",
        'classify = pipeline("text-classification", model="path/to/this/folder")',
        `print(classify(${texts}, truncation=True, max_length=${longestText(plan, model)}))`
      ],
      answer
    }
  },
  usage: ({ plan, adapted: { model } }) =>
    plan.data.textPair === undefined ? pipelineUse() : logitsUse(plan.data, model),
  outputs: checkedLogits,
  reopened: (merged) => merged
})
