/** Adapters of PEFT over models that read one text and write another. */
import * as Effect from "effect/Effect"
import type { Adopting } from "../../contract/kind.ts"
import { sampleTexts } from "../../rows/sample-texts.ts"

export const adoptSeq2Seq: Adopting = {
  sections: ({ config: { task, className } }, source) =>
    Effect.succeed(
      task === "SEQ_2_SEQ_LM" || (task === null && /T5ForConditionalGeneration$/.test(className ?? ""))
        ? { model: { source }, data: { format: "seq2seq", train: "none.jsonl" } }
        : null
    ),
  sample: () => sampleTexts.map((source, i) => ({ source, target: sampleTexts[(i + 1) % sampleTexts.length] }))
}
