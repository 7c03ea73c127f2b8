/** Adapters of PEFT over encoders with one output, which is a number: what it is standardised by is not known, so it stays as it is. */
import * as Effect from "effect/Effect"
import type { Adopting } from "../../contract/kind.ts"
import { sampleTexts } from "../../rows/sample-texts.ts"
import { adoptedHead } from "../adopt.ts"

export const adoptRegression: Adopting = {
  sections: (adapter, source) =>
    Effect.map(adoptedHead(adapter, source), (head) =>
      head === null || head.outputs !== 1
        ? null
        : {
            model: { source, task: { kind: "regression", ...head.task } },
            data: {
              format: "regression",
              train: "none.jsonl",
              maxLength: head.maxLength,
              scaling: { mean: [0], deviation: [1] }
            }
          }
    ),
  sample: () => sampleTexts.map((text) => ({ text, target: 0 }))
}
