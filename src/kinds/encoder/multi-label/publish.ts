/** What is made of a run over several labels: a card with the thresholds, and a Hugging Face folder. */
import * as Effect from "effect/Effect"
import type { Adapted } from "../../../../adapters/index.ts"
import type { MultiLabelPlan } from "../../../../schemas/index.ts"
import { Device } from "../../../device/device.ts"
import { type CardParts, type CardSource, CHECKED_ROWS, fenced, markdown, peftReader } from "../../../output/index.ts"
import type { Publisher } from "../../contract/kind.ts"
import { loadingCode } from "../card.ts"
import { mergedEncoder, sequenceCode } from "../publish.ts"
import { longestText } from "../resolve.ts"
import { logitsUse, pipelineUse, servedClassifier } from "../served.ts"
import { outputsOf, type TargetModel, withTargets } from "../targets.ts"
import type { MultiLabelSplit } from "./data.ts"
import type { ResolvedMultiLabelPlan } from "./resolve.ts"
import { type MultiLabelModel, THRESHOLDS_FILE } from "./run.ts"

const answer = [
  "probabilities = logits.sigmoid()",
  "print([[label for label, p in zip(labels, row) if p >= thresholds[label]] for row in probabilities.tolist()])"
]

const card = (source: CardSource<ResolvedMultiLabelPlan>): CardParts => {
  const { plan, model } = source.resolved
  const longest = longestText(plan, model)
  const { labels } = model
  const named = labels.slice(0, 30).map(markdown).join(", ")
  const more = labels.length > 30 ? ` and ${labels.length - 30} more` : ""
  return {
    pipeline: "text-classification",
    task: "text-classification",
    alone: "A classification head",
    purpose: `to tell which of ${labels.length} labels a text has, each for itself: ${named}${more}`,
    settings: [["tokens of a text at most", longest]],
    loading: loadingCode(source, {
      names: labels,
      imports: ["import json"],
      answer: [`thresholds = json.load(open(f"{adapter}/${THRESHOLDS_FILE}"))`, ...answer]
    }),
    limits: `gives every text some of its ${labels.length} labels or none, whatever the text is about; its probabilities are not calibrated. A label is given from its own probability on (${THRESHOLDS_FILE}), the one with the largest F1 on the validation rows, or ½ where there are none. Texts are cut at ${longest} tokens.`
  }
}

export const publishMultiLabel: Publisher<MultiLabelPlan, ResolvedMultiLabelPlan, MultiLabelModel, MultiLabelSplit> = {
  readerOf: peftReader,
  mergesInto: "huggingface",
  served: {
    of: ({ plan, adapted }) => {
      const { labels, thresholds } = adapted.model
      const settled = Object.fromEntries(labels.map((label, i) => [label, thresholds[i]]))
      return servedClassifier({
        plan,
        adapted,
        problemType: "multi_label_classification",
        usage: [
          "Each label has a probability of its own, from which on it is given:",
          "",
          fenced("json", [JSON.stringify(settled)]),
          "",
          ...(plan.data.textPair === undefined ? pipelineUse("{ top_k: null }") : logitsUse(plan.data, adapted.model))
        ]
      })
    }
  },
  card,
  merge: ({ plan, adapted, steps }, splits, run, folder) => {
    const { labels, thresholds } = adapted.model
    const settled = `thresholds = ${JSON.stringify(Object.fromEntries(labels.map((label, i) => [label, thresholds[i]])))}`
    const last = [settled, ...answer]
    return mergedEncoder(
      {
        plan,
        adapted,
        problemType: "multi_label_classification",
        words: { output: "logit", answer: null },
        splits: splits(adapted, plan),
        outputs: (source) => checkedOutputs(adapted, plan, source),
        mergedOutputs: (merged, source) => checkedOutputs(withTargets(merged), plan, source),
        alone: "a classification head",
        introduction: (change) => [
          `A classifier that gives a text any number of labels: ${change}, trained for ${steps} steps and merged into the base model. Its labels, in the order of the logits, and the probability from which on each is given:`,
          "",
          fenced(
            "json",
            labels.map((label, i) => JSON.stringify({ [label]: thresholds[i] }))
          )
        ],
        python: { own: [...sequenceCode(plan.data, longestText(plan, adapted.model)), ...last], answer: last }
      },
      run,
      folder
    )
  }
}

const checkedOutputs = (adapted: Adapted<TargetModel>, plan: MultiLabelPlan, source: MultiLabelSplit) =>
  Effect.gen(function* () {
    const device = yield* Device
    const { outputs } = yield* outputsOf(adapted, plan, source, { rows: CHECKED_ROWS })
    yield* device.sync
    return outputs
  })
