/** Adapters of PEFT over causal language models. */
import * as Effect from "effect/Effect"
import type { Adopting } from "../../contract/kind.ts"
import { sampleTexts } from "../../rows/sample-texts.ts"

export const adoptCausal: Adopting = {
  sections: ({ config: { task, className } }, source) =>
    Effect.succeed(
      task === "CAUSAL_LM" || (task === null && /ForCausalLM$|LMHeadModel$/.test(className ?? ""))
        ? { model: { source }, data: { format: "text", train: "none.jsonl", packing: false } }
        : null
    ),
  sample: () => sampleTexts.map((text) => ({ text }))
}
