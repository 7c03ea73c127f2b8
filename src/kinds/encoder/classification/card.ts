/** A classifier's part of its adapter's model card. */
import type { CardParts, CardSource } from "../../../output/index.ts"
import { classesLimits, classesPurpose } from "../../rows/predictions.ts"
import { loadingCode } from "../card.ts"
import { longestText } from "../resolve.ts"
import type { ResolvedClassificationPlan } from "./resolve.ts"

export const classificationCard = (source: CardSource<ResolvedClassificationPlan>): CardParts => {
  const { resolved, report } = source
  const longest = longestText(resolved.plan, resolved.model)
  return {
    pipeline: "text-classification",
    task: "text-classification",
    alone: "A classification head",
    purpose: classesPurpose(report.labels, "text"),
    settings: [["tokens of a text at most", longest]],
    loading: loadingCode(source, {
      names: report.labels,
      answer: ["print([labels[i] for i in logits.argmax(-1).tolist()])"]
    }),
    limits: `${classesLimits(report.labels, "text")} Texts are cut at ${longest} tokens.`
  }
}
