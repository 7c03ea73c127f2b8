/**
 * Texts with a label for every word, such as names of people and places, for a Hugging Face encoder.
 *
 *   "model": { "source": "../models/minilm" }
 *   "data": { "format": "token-classification", "train": "news.jsonl" }
 */
import * as Schema from "effect/Schema"
import { choice, count, withDefault } from "../fields.ts"
import { encoderSection, headOfTask, headRules, textLength, textLengths } from "./encoder.ts"
import { labelList } from "./labels.ts"
import { column, type PlanKind, planOf, splits } from "./plan.ts"

/** Schema of `model.task` for a label per word: a linear head over each token's hidden state. */
export const TokenClassificationTask = Schema.Struct({
  kind: Schema.Literal("token-classification").annotate({ description: "A label for every word of a text." })
}).annotate({ title: "TokenClassification", description: "What the model is trained to do." })

const TokenClassificationModel = encoderSection(
  TokenClassificationTask.pipe(withDefault({ kind: "token-classification" })),
  headOfTask
)

/** Schema of `data` with `format: "token-classification"`: rows with a list of words and a list of their labels. */
export const TokenClassificationSection = Schema.Struct({
  format: Schema.Literal("token-classification").annotate({
    description: "Rows with the words of a text and a label for each of them."
  }),
  ...splits,
  tokens: column("Column with the words: a list, or a JSON list as text.").pipe(withDefault("tokens")),
  label: column("Column with the labels of the words: a list of names, or of indices into `labels`.").pipe(
    withDefault("labels")
  ),
  labels: Schema.optionalKey(
    labelList(
      "The labels in the order of the outputs. Default: O and all labels of the scheme (IO, BIO or BIOES) over the types in train, sorted; without a scheme, the labels in train, sorted."
    )
  ),
  labelledTokens: choice(
    ["first", "all"],
    "Tokens of a word that learn its label: the first, or all. Predictions are the first token's."
  ).pipe(withDefault("first")),
  maxLength: textLength(
    "Maximum tokens per text, including special tokens. Longer texts are read in windows that overlap."
  ),
  stride: count(0, "Tokens that neighbouring windows of a long text share, at most half of a window.", "tokens").pipe(
    withDefault(32)
  ),
  bucketPool: textLengths.bucketPool
}).annotate({ title: "Token classification data", description: "Texts with labelled words, and how to batch them." })
export type TokenClassificationSection = typeof TokenClassificationSection.Type

/** Schema of plans for a Hugging Face encoder that predicts a label for every word. */
export const TokenClassificationPlan = planOf(
  TokenClassificationModel,
  TokenClassificationSection,
  "TokenClassificationPlan",
  "A training run over texts with a label for every word."
)
export type TokenClassificationPlan = typeof TokenClassificationPlan.Type

export const tokenClassificationPlans: PlanKind<
  "token-classification",
  TokenClassificationPlan,
  typeof TokenClassificationPlan
> = {
  formats: { "token-classification": TokenClassificationPlan },
  rules: headRules
}
