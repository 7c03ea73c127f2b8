/** Causal language models on conversations, completions or texts: plans. */

import * as Effect from "effect/Effect"
import type { CausalPlan } from "../../../../schemas/index.ts"
import {
  causalBatchesPerEpoch,
  meanTokens,
  type OpenedCausal,
  openCausal,
  withTemplateDate
} from "../../../data/causal/index.ts"
import { crossEntropyMetric, type Metrics, numberMetric, share } from "../../../training/index.ts"
import type { RunKind } from "../../contract/index.ts"
import { sampleTexts } from "../../rows/sample-texts.ts"
import { type LanguageRows, languageKind } from "../kind.ts"
import { detectCausal } from "./detect.ts"
import type { ResolvedCausalPlan } from "./run.ts"
import { suggestCausal } from "./suggest.ts"

const metrics = {
  loss: crossEntropyMetric,
  perplexity: numberMetric("perplexity", "exp(loss)", "lower", { type: "perplexity", name: "Perplexity" }, (value) =>
    value.toFixed(2)
  ),
  accuracy: { label: "next tokens right", ...share, inWords: (value) => `${value} of the next tokens right` }
} satisfies Metrics

const causalRows: LanguageRows<CausalPlan, OpenedCausal> = {
  open: ({ data, seed }, tokenizer) => openCausal(data, seed, tokenizer),
  filled: (plan, _, tokenizer) => ({ ...plan, data: withTemplateDate(plan.data, tokenizer) }),
  batchesPerEpoch: ({ seed, training: { batchSize }, data: { bucketPool, packing } }, { splits }, maxLength) =>
    causalBatchesPerEpoch(splits.train, { seed, batchSize, bucketPool, packing, maxLength }),
  tokens: ({ splits }, maxLength) => meanTokens(splits.train, maxLength),
  sequences: 1,
  // packed rows differ in every epoch
  sameRows: ({ data }) => !data.packing
}

export const causal: RunKind<CausalPlan, ResolvedCausalPlan> = languageKind({
  metrics,
  headline: ["perplexity", "loss", "accuracy"],
  baseline: () => null,
  rows: causalRows,
  chats: ({ format }) => format === "chat",
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
  runner: () => import("./run.ts").then(({ runCausal }) => runCausal),
  publisher: () => import("./publish.ts").then(({ publishCausal }) => publishCausal)
})
