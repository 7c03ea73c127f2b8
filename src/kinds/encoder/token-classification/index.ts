/** Labels for the words of a text with a Hugging Face encoder: plans. */
import type { TokenClassificationPlan } from "../../../../schemas/index.ts"
import { percent } from "../../../boundary/index.ts"
import type { Prediction } from "../../contract/index.ts"
import { classesText } from "../../rows/classes.ts"
import { sampleTexts } from "../../rows/sample-texts.ts"
import { headKind } from "../kind.ts"
import { openTokenClassification, type TokenClassificationData } from "./data.ts"
import { detectWords } from "./detect.ts"
import { typesText, wordMetrics } from "./scores.ts"

export const tokenClassification = headKind<TokenClassificationPlan, TokenClassificationData>({
  metrics: wordMetrics,
  headline: ["f1", "loss"],
  baseline: () => null,
  open: ({ data, seed }) => openTokenClassification(data, seed),
  outputs: { fromRows: ({ labels }) => labels, planned: ({ labels }) => labels },
  settled: ({ labels }) => ({ labels: [...labels] }),
  classes: true,
  windows: true,
  words: {
    prediction: (prediction) => spansText(prediction),
    rows: (split) => classesText({ ...split, classes: split.classes ?? [] })
  },
  details: (_, evaluation) => typesText(evaluation),
  detecting: detectWords,
  adopting: {
    over: "tokens",
    sections: ({ labels, outputs }) => {
      const numbered = Array.from({ length: outputs }, (_, i) => `LABEL_${i}`)
      return { kind: "token-classification", data: { labels: labels ?? numbered } }
    },
    sample: ([label = ""]) =>
      sampleTexts.map((text) => {
        const tokens = text.split(" ")
        return { tokens, labels: tokens.map(() => label) }
      })
  },
  runner: () => import("./run.ts").then(({ runTokenClassification }) => runTokenClassification),
  publisher: () => import("./publish.ts").then(({ publishTokenClassification }) => publishTokenClassification)
})

/** Formats spans with their scores: "Anna Lind: person (98.1 %), Oslo: place (93.0 %)". */
const spansText = ({ spans = [], label }: Prediction): string =>
  spans.length === 0
    ? label
    : spans.map(({ text, label: type, score }) => `${text}: ${type} (${percent(score)})`).join(", ")
