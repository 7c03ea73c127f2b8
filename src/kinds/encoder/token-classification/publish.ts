/** Labels for words with a Hugging Face encoder: exports. */
import type { TokenClassificationPlan } from "../../../../schemas/index.ts"
import type { Model } from "../../../models/index.ts"
import { CHECKED_ROWS, fenced, markdown, trainedFor } from "../../../output/index.ts"
import { script } from "../../contract/served.ts"
import { headPublisher } from "../publish.ts"
import type { LabelledWordsSplit } from "./data.ts"
import { type ResolvedTokenClassificationPlan, wordLogits } from "./run.ts"
import { typesOf } from "./schemes.ts"

const PIPELINE = "token-classification"

const answer = [
  'tokens = tokenizer.convert_ids_to_tokens(batch["input_ids"][0])',
  "print(list(zip(tokens, [labels[i] for i in logits[0].argmax(-1).tolist()])))"
]

export const publishTokenClassification = headPublisher<
  TokenClassificationPlan,
  ResolvedTokenClassificationPlan,
  Model,
  LabelledWordsSplit
>({
  words: { output: "logit", answer: "label", row: "word" },
  alone: "A head for the labels of words",
  task: PIPELINE,
  purpose: ({ labels }) => {
    const types = typesOf(labels)
    const more = types.length > 30 ? ` and ${types.length - 30} more` : ""
    return `to label the words of a text as ${types.slice(0, 30).map(markdown).join(", ")}${more}`
  },
  limits: () =>
    "was trained on the words of its rows, with punctuation as words of its own; its probabilities are not calibrated.",
  python: () => ({ answer }),
  introduction: ({ adapted: { model }, steps }, change) => [
    `A model that labels words: ${change}${trainedFor(steps)}, merged into the base model. Its labels, in the order of the logits:`,
    "",
    fenced("json", [JSON.stringify(model.labels)])
  ],
  mergedPython: () => ({
    loading: [
      "from transformers import pipeline",
      "",
      `label = pipeline("${PIPELINE}", model="path/to/this/folder", aggregation_strategy="first")`,
      'print(label("your text"))'
    ],
    answer
  }),
  usage: () => [
    script("pipeline", [
      `const label = await pipeline("${PIPELINE}", "folder")`,
      'console.log(await label("your text", { aggregation_strategy: "simple" }))'
    ])
  ],
  outputs: (adapted, plan, source) => wordLogits(adapted, plan, source, CHECKED_ROWS),
  reopened: (merged) => merged
})
