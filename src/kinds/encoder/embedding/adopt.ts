/** Adapters of PEFT over encoders without a head. */
import * as Effect from "effect/Effect"
import type { Adopting } from "../../contract/kind.ts"
import { sampleTexts } from "../../rows/sample-texts.ts"
import { describeEmbedder } from "./resolve.ts"

export const adoptEmbedder: Adopting = {
  sections: ({ config, head }, source) =>
    Effect.gen(function* () {
      if (config.task !== "FEATURE_EXTRACTION" || head.size > 0) return null
      const { maxLength } = yield* describeEmbedder(source)
      return {
        model: { source, task: { kind: "embedding" } },
        data: { format: "embedding", train: "none.jsonl", maxLength }
      }
    }),
  sample: () => sampleTexts.map((text) => ({ anchor: text, positive: text }))
}
