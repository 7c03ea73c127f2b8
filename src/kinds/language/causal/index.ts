/** Conversations, completions or texts and a causal language model. */
import * as Effect from "effect/Effect"
import type { CausalPlan } from "../../../../schemas/index.ts"
import { crossEntropyMetric, type Metrics, percent } from "../../../training/index.ts"
import type { RunKind } from "../../contract/index.ts"
import { sampleTexts } from "../../rows/sample-texts.ts"
import { describeLanguagePlan } from "../resolve.ts"
import { languageWords, rowsText } from "../words.ts"
import { detectCausal } from "./detect.ts"
import { type ResolvedCausalPlan, resolveCausal } from "./resolve.ts"
import { suggestCausal } from "./suggest.ts"

const metrics = {
  loss: crossEntropyMetric,
  perplexity: {
    label: "perplexity",
    unit: "exp(loss)",
    format: (value) => value.toFixed(2),
    better: "lower",
    hub: { type: "perplexity", name: "Perplexity" }
  },
  accuracy: {
    label: "next tokens right",
    unit: "%",
    format: percent,
    better: "higher",
    worst: 0,
    inWords: (shown) => `${shown} of the next tokens right`
  }
} satisfies Metrics

export const causal: RunKind<CausalPlan, ResolvedCausalPlan> = {
  metrics,
  headline: ["perplexity", "loss", "accuracy"],
  baseline: () => null,
  resolve: resolveCausal,
  describe: describeLanguagePlan,
  baseOf: (_, { origin }) => origin.where,
  labelsOf: () => [],
  words: {
    ...languageWords,
    rows: rowsText
  },
  sample: ({ data }) => data.sample(),
  suggesting: suggestCausal,
  detecting: detectCausal,
  adopting: {
    sections: ({ config: { task, className } }, source) =>
      Effect.succeed(
        task === "CAUSAL_LM" || (task === null && /ForCausalLM$|LMHeadModel$/.test(className ?? ""))
          ? { model: { source }, data: { format: "text", train: "none.jsonl", packing: false } }
          : null
      ),
    sample: () => sampleTexts.map((text) => ({ text }))
  },
  next: ({ data }, run) => (data.format === "chat" ? `chat ${run}` : `generate ${run} "your prompt"`),
  runner: () => import("./run.ts").then(({ runCausal }) => runCausal),
  publisher: () => import("./publish.ts").then(({ publishCausal }) => publishCausal)
}
