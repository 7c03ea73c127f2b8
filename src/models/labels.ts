/** The classes of a classifier: those that are given, or the checkpoint's own. */
import * as Schema from "effect/Schema"
import { maybe } from "./config-reader.ts"

/** Fields of config.json that name classes. `num_labels` is bounded, since a list of that length is created. */
export const labelFields = {
  id2label: maybe(Schema.Record(Schema.String, Schema.String)),
  num_labels: maybe(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 })))
} as const
const LabelFile = Schema.Struct(labelFields)

/** transformers' names of classes that have none. */
const namedByNumber = (classes: number): ReadonlyArray<string> =>
  Array.from({ length: classes }, (_, i) => `LABEL_${i}`)

/** Returns the names in `id2label`, whose keys are strings in any order; without it, default names for `num_labels` classes. */
export const labelsInOrder = ({ id2label, num_labels }: typeof LabelFile.Type): ReadonlyArray<string> =>
  id2label == null
    ? namedByNumber(num_labels ?? 0)
    : Object.entries(id2label)
        .sort(([a], [b]) => Number(a) - Number(b))
        .map(([, label]) => label)

/** Class names in the order of the logits, and their problems. */
export interface Labels {
  readonly labels: ReadonlyArray<string>
  readonly problems: ReadonlyArray<string>
}

/**
 * Resolves the class names. `stored`: those of the checkpoint's config.json. `classes`: number of classes of the checkpoint's classifier, if the
 * head is initialized from it; undefined: the checkpoint has none, which is reported as missing with its shape; null: the head is new.
 */
export const labelsOf = ({
  planned,
  stored: named,
  classes
}: {
  readonly planned: ReadonlyArray<string> | undefined
  readonly stored: ReadonlyArray<string>
  readonly classes: number | undefined | null
}): Labels => {
  if (classes === null) {
    const labels = planned ?? named
    const problem = "config.json: has no id2label, and no labels are given; name the classes (data.labels in a plan)"
    return { labels, problems: labels.length === 0 ? [problem] : [] }
  }
  // transformers leaves id2label out of config.json where the classes have its own names
  const names = named.length > 0 ? named : namedByNumber(classes ?? 0)
  const labels = planned ?? names
  if (classes === undefined) return { labels, problems: [] }
  if (labels.length !== classes) {
    const problem = `weights: the checkpoint's classifier has ${classes} classes (${names.join(", ")}), ${labels.length} labels are given (${labels.join(", ")})`
    // the count is the one problem: shapes are judged by the checkpoint's own
    return { labels: namedByNumber(classes).map((name, i) => labels[i] ?? name), problems: [problem] }
  }
  const permuted =
    [...labels].sort().join("\0") === [...names].sort().join("\0") && labels.some((l, i) => l !== names[i])
  const order = `labels: ${labels.join(", ")} are not in the order of the checkpoint's classifier; set data.labels to ${names.join(", ")}`
  return { labels, problems: permuted ? [order] : [] }
}
