/** Adapters of PEFT over encoders with the head of a classifier: that of transformers' class, or one of ours over mean pooling. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { describe, type ModelDescription } from "../../models/index.ts"
import { bareName, type PeftAdapter } from "../../peft/index.ts"
import type { Adopting } from "../kind.ts"
import { sampleTexts } from "../sample-texts.ts"

export const adoptClassifier: Adopting = {
  sections: (adapter, source) =>
    Effect.gen(function* () {
      if (!isClassifier(adapter)) return null
      const pooling = adapter.head.size > 0 ? "mean" : "pooler"
      // its labels are not known yet: any two
      const described = yield* describe(source, { pooling, headInit: "normal", labels: ["0", "1"] })
      const classes = classesIn(adapter, described.head)
      const headInit = classes === undefined ? "checkpoint" : "normal"
      const named = yield* Effect.result(describe(source, { pooling, headInit: "normal" }))
      const labels =
        Result.isSuccess(named) && named.success.labels.length === classes ? named.success.labels : undefined
      return {
        model: { source, task: { kind: "classification", pooling, headInit } },
        data: {
          format: "classification",
          train: "none.jsonl",
          maxLength: described.maxLength,
          ...(classes === undefined ? {} : { labels: labels ?? numbered(classes) })
        }
      }
    }),
  sample: ([label = ""]) => sampleTexts.map((text) => ({ text, label }))
}

const numbered = (classes: number) => Array.from({ length: classes }, (_, i) => `LABEL_${i}`)

const isClassifier = ({ config: { task, className }, tensors, head }: PeftAdapter): boolean =>
  task === "SEQ_CLS" ||
  head.size > 0 ||
  (task === null && (/ForSequenceClassification$/.test(className ?? "") || [...tensors.keys()].some(isOfClassifier)))

const isOfClassifier = (name: string): boolean => /^classifier\./.test(name)

/** The classes of the head that the adapter brings; undefined where the head is the base's own. */
const classesIn = (
  { tensors, head }: PeftAdapter,
  { parameters, inCheckpoint }: ModelDescription["head"]
): number | undefined => {
  if (head.size > 0) return head.get("weight")?.shape[0]
  const complete = parameters.every(({ name }) => tensors.has(bareName(name)) || inCheckpoint.has(name))
  return complete ? tensors.get(bareName(parameters.at(-1)!.name))?.shape[0] : undefined
}
