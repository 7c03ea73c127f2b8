/** Labelled texts and a Hugging Face encoder. */
import type { ClassificationPlan } from "../../../../schemas/index.ts"
import type { RunKind } from "../../contract/kind.ts"
import {
  classesText,
  classHeadline,
  classMetrics,
  confusionText,
  labelText,
  majorityBaseline
} from "../../rows/classes.ts"
import { encoderWords } from "../kind.ts"
import { exampleArgument } from "../words.ts"
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
    ...encoderWords,
    prediction: labelText,
    rows: classesText
  },
  suggesting: suggestClassification,
  detecting: detectClassification,
  adopting: () => import("./adopt.ts").then(({ adoptClassifier }) => adoptClassifier),
  next: ({ data }, run) => `predict ${run} ${exampleArgument(data)}`,
  details: confusionText,
  runner: () => import("./run.ts").then(({ runClassification }) => runClassification),
  publisher: () => import("./publish.ts").then(({ publishClassification }) => publishClassification)
}
