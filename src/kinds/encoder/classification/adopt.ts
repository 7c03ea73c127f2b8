/** Adapters of PEFT over encoders that classify. */
import * as Effect from "effect/Effect"
import type { Adopting } from "../../contract/kind.ts"
import { sampleTexts } from "../../rows/sample-texts.ts"
import { adoptedHead } from "../adopt.ts"

export const adoptClassifier: Adopting = {
  sections: (adapter, source, evaluated) =>
    Effect.map(adoptedHead(adapter, source), (head) => {
      if (head === null) return null
      const { task, labels, outputs, maxLength } = head
      // classes without names are numbers in rows
      const numbered = Array.from({ length: outputs }, (_, i) => (evaluated ? `${i}` : `LABEL_${i}`))
      const own = task.headInit === "checkpoint" && !evaluated ? {} : { labels: labels ?? numbered }
      return {
        model: { source, task: { kind: "classification", ...task } },
        data: { format: "classification", train: "none.jsonl", maxLength, ...own }
      }
    }),
  sample: ([label = ""]) => sampleTexts.map((text) => ({ text, label }))
}
