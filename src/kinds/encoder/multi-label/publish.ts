/** What is made of a run over several labels: each is given from a probability of its own on. */
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
    return `to tell which of ${labels.length} labels a text has, each for itself: ${named}${more}`
  },
  limits: ({ labels }) =>
    `gives every text some of its ${labels.length} labels or none, whatever the text is about; its probabilities are not calibrated. A label is given from its own probability on (${THRESHOLDS_FILE}), the one with the largest F1 on the validation rows, or ½ where there are none.`,
  python: () => ({
    imports: ["import json"],
    answer: [`thresholds = json.load(open(f"{adapter}/${THRESHOLDS_FILE}"))`, ...answer]
  }),
  introduction: ({ adapted: { model }, steps }, change) => [
    `A classifier that gives a text any number of labels: ${change}, trained for ${steps} steps and merged into the base model. Its labels, in the order of the logits, and the probability from which on each is given:`,
    "",
    fenced(
      "json",
      model.labels.map((label, i) => JSON.stringify({ [label]: model.thresholds[i] }))
    )
  ],
  mergedPython: ({ adapted: { model } }) => ({ answer: [`thresholds = ${settled(model)}`, ...answer] }),
  usage: ({ plan, adapted: { model } }) => [
    "Each label has a probability of its own, from which on it is given:",
    "",
    fenced("json", [settled(model)]),
    "",
    ...(plan.data.textPair === undefined ? pipelineUse("{ top_k: null }") : logitsUse(plan.data, model))
  ],
  outputs: checkedTargets,
  reopened: withTargets
})
