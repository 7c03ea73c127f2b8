/** What is made of a classifier's run: a card for its adapter, and base + s·BA as a Hugging Face folder. */
import * as Effect from "effect/Effect"
import type { Adapted } from "../../../../adapters/index.ts"
import type { ClassificationPlan } from "../../../../schemas/index.ts"
import { type ClassificationSplit, evaluationBatches, type TextColumns } from "../../../data/index.ts"
import { Device } from "../../../device/device.ts"
import type { Model } from "../../../models/index.ts"
import { CHECKED_ROWS, fenced, peftReader, trainedFor } from "../../../output/index.ts"
import { logitsOfRows } from "../../../training/index.ts"
import type { Publisher } from "../../contract/kind.ts"
import { mergedEncoder } from "../publish.ts"
import { longestText } from "../resolve.ts"
import { logitsUse, pipelineUse, servedClassifier } from "../served.ts"
import { pipelineTexts } from "../words.ts"
import { classificationCard } from "./card.ts"
import type { ResolvedClassificationPlan } from "./resolve.ts"

export const publishClassification: Publisher<
  ClassificationPlan,
  ResolvedClassificationPlan,
  Model,
  ClassificationSplit
> = {
  readerOf: peftReader,
  mergesInto: "huggingface",
  served: {
    of: ({ plan, adapted }) =>
      servedClassifier({
        plan,
        adapted,
        problemType: "single_label_classification",
        usage: plan.data.textPair === undefined ? pipelineUse() : logitsUse(plan.data, adapted.model)
      })
  },
  card: classificationCard,
  merge: ({ plan, adapted, steps }, splits, run, folder) =>
    mergedEncoder(
      {
        plan,
        adapted,
        problemType: "single_label_classification",
        words: { output: "logit", answer: "label" },
        splits: splits(adapted, plan),
        outputs: (source) => checkedLogits(adapted, plan, source),
        mergedOutputs: (merged, source) => checkedLogits(merged, plan, source),
        alone: "a classification head",
        introduction: (change) => [
          `A text classifier: ${change}${trainedFor(steps)}, merged into the base model. Its classes, in the order of the logits:`,
          "",
          fenced("json", [JSON.stringify(adapted.model.labels)])
        ],
        python: {
          own: classifierCode(plan.data, longestText(plan, adapted.model)),
          answer: ["print([labels[i] for i in logits.argmax(-1).tolist()])"]
        }
      },
      run,
      folder
    )
}

/** Logits [rows, classes] of the rows that are compared, in their order. */
const checkedLogits = (adapted: Adapted, plan: ClassificationPlan, source: ClassificationSplit) =>
  Effect.gen(function* () {
    const device = yield* Device
    const rows = Math.min(CHECKED_ROWS, source.rows)
    const logits = yield* evaluationBatches(source, adapted.model.tokenizer, {
      batchSize: plan.training.evaluateBatchSize,
      maxLength: longestText(plan, adapted.model),
      padMultiple: device.padMultiple,
      rows
    }).pipe(logitsOfRows(adapted, rows))
    yield* device.sync
    return logits
  })

const classifierCode = (columns: TextColumns, maxLength: number): ReadonlyArray<string> => [
  "from transformers import pipeline",
  "",
  'classify = pipeline("text-classification", model="path/to/this/folder")',
  `print(classify(${pipelineTexts(columns)}, truncation=True, max_length=${maxLength}))`
]
