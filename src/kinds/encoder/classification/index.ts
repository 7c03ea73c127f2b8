/** Text classification with a Hugging Face encoder: plans. */
import type { ClassificationPlan } from "../../../../schemas/index.ts"
import { type ClassificationData, openClassification } from "../../../data/index.ts"
import { classFacts, classWords, withKnownWeights } from "../../rows/classes.ts"
import { sampleTexts } from "../../rows/sample-texts.ts"
import { detectClasses } from "../detect.ts"
import { headKind } from "../kind.ts"

export const classification = headKind<ClassificationPlan, ClassificationData>({
  ...classFacts,
  open: (plan) => openClassification(plan.data, plan.seed).pipe(withKnownWeights(plan)),
  outputs: { fromRows: ({ labels }) => labels, planned: ({ labels }) => labels },
  settled: ({ labels }) => ({ labels: [...labels] }),
  classes: true,
  words: classWords,
  detecting: detectClasses,
  adopting: {
    sections: ({ start, labels, outputs }, evaluated) => {
      // classes without names are numbers in rows
      const numbered = Array.from({ length: outputs }, (_, i) => (evaluated ? `${i}` : `LABEL_${i}`))
      const withLabels = start === "checkpoint" && !evaluated ? {} : { labels: labels ?? numbered }
      return { kind: "classification", data: withLabels }
    },
    sample: ([label = ""]) => sampleTexts.map((text) => ({ text, label }))
  },
  runner: () => import("./run.ts").then(({ runClassification }) => runClassification),
  publisher: () => import("./publish.ts").then(({ publishClassification }) => publishClassification)
})
