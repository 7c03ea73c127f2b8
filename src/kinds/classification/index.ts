/** Labelled texts and a Hugging Face encoder. */
import type { ClassificationPlan } from "../../../schemas/index.ts"
import { percent } from "../../training/index.ts"
import { longestText } from "../encoder-resolve.ts"
import { exampleArgument } from "../encoder-words.ts"
import type { RunKind } from "../kind.ts"
import { classesText, classHeadline, classMetrics, confusionText, labelText, majorityBaseline } from "../labelled.ts"
import { adoptClassifier } from "./adopt.ts"
import { describeClassification, type ResolvedClassificationPlan, resolveClassification } from "./resolve.ts"
import { detectClassification, suggestClassification } from "./suggest.ts"

export const classification: RunKind<ClassificationPlan, ResolvedClassificationPlan> = {
  metrics: classMetrics,
  headline: classHeadline,
  baseline: majorityBaseline,
  resolve: resolveClassification,
  describe: describeClassification,
  baseOf: (_, { folder }) => folder,
  labelsOf: ({ labels }) => labels,
  words: {
    model: ({ family, layers, hiddenSize }) => `${family} (${layers} layers, ${hiddenSize} wide)`,
    modelName: ({ family }) => family,
    untrained: () => "the untrained head",
    prediction: labelText,
    rows: classesText,
    lines: ({ plan, model, lengths: { p50, p95, max, truncated } }) => ({
      weights: weightsText(model),
      lengths: `${p50} tokens (median), ${p95} (95 %), ${max} (longest); ${percent(truncated)} cut at ${longestText(plan, model)}`
    }),
    json: ({ model: { family, folder, labels, unusedTensors }, lengths }) => ({
      model: { family, folder, labels, unusedTensors },
      lengths
    })
  },
  suggesting: suggestClassification,
  detecting: detectClassification,
  adopting: adoptClassifier,
  next: ({ data }, run) => `predict ${run} ${exampleArgument(data)}`,
  details: confusionText,
  runner: () => import("./run.ts").then(({ runClassification }) => runClassification),
  publisher: () => import("./publish.ts").then(({ publishClassification }) => publishClassification)
}

const UNUSED_SHOWN = 4

/** What of the checkpoint is read, and what is not: a head that should have been used would be among the latter. */
const weightsText = ({ parameters, head, unusedTensors }: ResolvedClassificationPlan["model"]): string => {
  const read = `${parameters.length + head.inCheckpoint.size} tensors of the checkpoint`
  if (unusedTensors.length === 0) return `${read}, all that it has`
  const shown = unusedTensors.slice(0, UNUSED_SHOWN).join(", ")
  const more = unusedTensors.length > UNUSED_SHOWN ? ` and ${unusedTensors.length - UNUSED_SHOWN} more` : ""
  return `${read}; not used: ${shown}${more}`
}
