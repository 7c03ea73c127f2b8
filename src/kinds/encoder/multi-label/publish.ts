/** Multi-label text classification: exports, with a probability threshold for each label. */
import type { MultiLabelPlan } from "../../../../schemas/index.ts"
import { fenced, markdown } from "../../../output/index.ts"
import { headPublisher } from "../publish.ts"
import { byName, checkedTargets, withTargets } from "../run.ts"
import { logitsUse, pipelineUse } from "../served.ts"
import type { MultiLabelSplit } from "./data.ts"
import { type MultiLabelModel, type ResolvedMultiLabelPlan, THRESHOLDS_FILE } from "./run.ts"

const answer = [
  "probabilities = logits.sigmoid()",
  "print([[label for label, p in zip(labels, row) if p >= thresholds[label]] for row in probabilities.tolist()])"
]

const settled = ({ labels, thresholds }: MultiLabelModel): string => JSON.stringify(byName(labels, thresholds))

export const publishMultiLabel = headPublisher<
  MultiLabelPlan,
  ResolvedMultiLabelPlan,
  MultiLabelModel,
  MultiLabelSplit
>({
  problemType: "multi_label_classification",
  words: { output: "logit", answer: null },
  alone: "A classification head",
  task: "text-classification",
  purpose: ({ labels }) => {
    const named = labels.slice(0, 30).map(markdown).join(", ")
    const more = labels.length > 30 ? ` and ${labels.length - 30} more` : ""
    return `to predict which of ${labels.length} labels apply to a text: ${named}${more}`
  },
  limits: ({ labels }) =>
    `assigns every text some of its ${labels.length} labels or none, whatever its topic; its probabilities are not calibrated. Each label has its own threshold (${THRESHOLDS_FILE}), chosen for the best F1 on the validation rows; ½ without validation rows.`,
  python: () => ({
    imports: ["import json"],
    answer: [`thresholds = json.load(open(f"{adapter}/${THRESHOLDS_FILE}"))`, ...answer]
  }),
  introduction: ({ adapted: { model }, steps }, change) => [
    `A multi-label text classifier: ${change}, trained for ${steps} steps and merged into the base model. Its labels in the order of the logits, each with its threshold:`,
    "",
    fenced(
      "json",
      model.labels.map((label, i) => JSON.stringify({ [label]: model.thresholds[i] }))
    )
  ],
  mergedPython: ({ adapted: { model } }) => ({ answer: [`thresholds = ${settled(model)}`, ...answer] }),
  usage: ({ plan, adapted: { model } }) => [
    "Each label has its own probability threshold:",
    "",
    fenced("json", [settled(model)]),
    "",
    ...(plan.data.textPair === undefined ? pipelineUse("{ top_k: null }") : logitsUse(plan.data, model))
  ],
  outputs: checkedTargets,
  reopened: withTargets
})
