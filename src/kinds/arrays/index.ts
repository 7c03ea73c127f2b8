/** Labelled rows of numbers and a `tf.LayersModel`. */
import type { ArraysPlan } from "../../../schemas/index.ts"
import type { RunKind } from "../kind.ts"
import { classesText, classHeadline, classMetrics, confusionText, labelText, majorityBaseline } from "../labelled.ts"
import { describeArrays, type ResolvedArraysPlan, resolveArrays } from "./resolve.ts"
import { detectArrays, suggestArrays } from "./suggest.ts"

export const arrays: RunKind<ArraysPlan, ResolvedArraysPlan> = {
  metrics: classMetrics,
  headline: classHeadline,
  baseline: majorityBaseline,
  resolve: resolveArrays,
  describe: describeArrays,
  baseOf: (_, { source }) => source,
  labelsOf: ({ labels }) => labels,
  words: {
    model: ({ name, layers, inputShape }) =>
      `the LayersModel ${name} (${layers} layers, rows of ${inputShape.join("×")} numbers)`,
    modelName: ({ name }) => name,
    untrained: () => "the model as it was",
    prediction: labelText,
    rows: classesText,
    lines: () => ({}),
    json: ({ model: { name, source, labels, inputShape } }) => ({ model: { name, source, labels, inputShape } })
  },
  suggesting: suggestArrays,
  detecting: detectArrays,
  next: (_, run) => `predict ${run} < rows.jsonl`,
  details: confusionText,
  runner: () => import("./run.ts").then(({ runArrays }) => runArrays),
  publisher: () => import("./publish.ts").then(({ publishArrays }) => publishArrays)
}
