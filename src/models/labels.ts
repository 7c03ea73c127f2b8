/** The classes of a classifier: those that are given, or the checkpoint's own. */
import { namedByNumber } from "./family.ts"

/** Names in the order of the logits, and what is wrong with them. */
export interface Labels {
  readonly labels: ReadonlyArray<string>
  readonly problems: ReadonlyArray<string>
}

/**
 * `own`: of the checkpoint's config.json. `classes`: of the checkpoint's classifier, where the head starts as it; undefined: it has none,
 * which is reported as missing, with its shape; null: the head is new.
 */
export const labelsOf = ({
  given,
  own: named,
  classes
}: {
  readonly given: ReadonlyArray<string> | undefined
  readonly own: ReadonlyArray<string>
  readonly classes: number | undefined | null
}): Labels => {
  if (classes === null) {
    const labels = given ?? named
    const problem = "config.json: has no id2label, and no labels are given; name the classes, in a plan as data.labels"
    return { labels, problems: labels.length === 0 ? [problem] : [] }
  }
  // transformers leaves id2label out of config.json where the classes have its own names
  const own = named.length > 0 ? named : namedByNumber(classes ?? 0)
  const labels = given ?? own
  if (classes === undefined) return { labels, problems: [] }
  if (labels.length !== classes) {
    const problem = `weights: the checkpoint's classifier has ${classes} classes (${own.join(", ")}), ${labels.length} labels are given (${labels.join(", ")})`
    // the count is the one problem: shapes are judged by the checkpoint's own
    return { labels: namedByNumber(classes).map((name, i) => labels[i] ?? name), problems: [problem] }
  }
  const permuted = [...labels].sort().join("\0") === [...own].sort().join("\0") && labels.some((l, i) => l !== own[i])
  const order = `labels: ${labels.join(", ")} are in another order than the checkpoint's classifier has them; give data.labels as ${own.join(", ")}`
  return { labels, problems: permuted ? [order] : [] }
}
