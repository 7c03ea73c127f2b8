/**
 * `config.json` of a merged model: the base's own, told which class it is now, which classes it knows, and that it is float32.
 *
 * Dropped is what would be untrue of the new folder: where the base was loaded from, code that is not copied (`auto_map`), the
 * former spelling of `dtype`, and a class count beside `id2label`.
 */
import type { FamilyName } from "../models/families.ts"
import type { ModelDescription } from "../models/index.ts"

/** How the classes of a family are called in transformers: `BertModel`, `BertForSequenceClassification`. */
const classNames: { readonly [Name in FamilyName]: string } = {
  bert: "Bert",
  distilbert: "DistilBert",
  roberta: "Roberta"
}

/** The class that loads the merged folder: the sequence classifier where the head is its own, else the bare encoder. */
export const mergedClass = ({ family, head }: ModelDescription): string =>
  `${classNames[family as FamilyName]}${head.pooling === "pooler" ? "ForSequenceClassification" : "Model"}`

const untrue = ["_name_or_path", "auto_map", "torch_dtype", "num_labels"]

export const mergedConfig = (base: object, model: ModelDescription): Readonly<Record<string, unknown>> => ({
  ...Object.fromEntries(Object.entries(base).filter(([key]) => !untrue.includes(key))),
  architectures: [mergedClass(model)],
  dtype: "float32",
  id2label: Object.fromEntries(model.labels.map((label, i) => [i, label])),
  label2id: Object.fromEntries(model.labels.map((label, i) => [label, i])),
  // a base that was a regression would otherwise stay one
  ...(model.head.pooling === "pooler" ? { problem_type: "single_label_classification" } : {})
})
