/** Text embeddings with a Hugging Face encoder, from pairs, triplets or scored pairs: plans. */
import * as Effect from "effect/Effect"
import { score } from "../../../boundary/index.ts"
import { crossEntropyMetric, type Metrics, numberMetric, share } from "../../../training/index.ts"
import type { Adopting, RunKind } from "../../contract/index.ts"
import { sampleTexts } from "../../rows/sample-texts.ts"
import { detectRelated, detectSimilarity } from "../detect.ts"
import { encoderFacts, encoderWords } from "../kind.ts"
import {
  columnsOf,
  describeEmbedder,
  describeRelated,
  type RelatedPlan,
  type ResolvedRelatedPlan,
  resolveRelated
} from "./resolve.ts"
import { suggestRelated } from "./suggest.ts"

const gain = { unit: "", format: score, better: "higher", worst: 0 } as const

const ranking = {
  recallAt10: { label: "recall@10", ...share, hub: { type: "cosine_recall@10", name: "Cosine Recall@10" } },
  recallAt1: { label: "recall@1", ...share, hub: { type: "cosine_recall@1", name: "Cosine Recall@1" } },
  mrrAt10: { label: "MRR@10", ...gain, hub: { type: "cosine_mrr@10", name: "Cosine MRR@10" } },
  ndcgAt10: { label: "nDCG@10", ...gain, hub: { type: "cosine_ndcg@10", name: "Cosine nDCG@10" } },
  loss: { ...crossEntropyMetric, hub: { type: "loss", name: "Contrastive loss" } }
} satisfies Metrics

const correlation = {
  spearman: numberMetric("Spearman", "ρ", "higher", { type: "spearman_cosine", name: "Spearman Cosine" }),
  loss: numberMetric("loss", "", "lower", { type: "loss", name: "Loss" })
} satisfies Metrics

type RelatedKind = RunKind<RelatedPlan, ResolvedRelatedPlan>

const pooled = ({ head: { pooling, output } }: ResolvedRelatedPlan["model"]): string =>
  `${pooling === "mean" ? "the mean of the tokens" : "the first token"}${output === "normalized" ? ", of length 1" : ""}`

const related = (parts: Pick<RelatedKind, "metrics" | "headline" | "detecting" | "adopting">): RelatedKind => ({
  ...parts,
  baseline: () => null,
  resolve: resolveRelated,
  describe: describeRelated,
  baseOf: encoderFacts.baseOf,
  labelsOf: () => [],
  words: {
    ...encoderWords,
    model: (model) => `${model.family} (${model.layers} layers, vectors of ${model.hiddenSize}: ${pooled(model)})`,
    untrained: () => "the base model",
    rows: ({ texts }) => (texts === 3 ? "triplets" : "pairs"),
    json: ({ plan, model: { family, folder, hiddenSize, unusedTensors }, lengths }) => ({
      model: { family, folder, ...plan.model.task, hiddenSize, unusedTensors },
      columns: columnsOf(plan),
      lengths
    })
  },
  suggesting: suggestRelated,
  next: (_, run) => `embed ${run} "your text"`,
  runner: () => import("./run.ts").then(({ runRelated }) => runRelated),
  publisher: () => import("./publish.ts").then(({ publishRelated }) => publishRelated)
})

const adopting: Adopting = {
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

export const embedding: RelatedKind = related({
  metrics: ranking,
  headline: ["recallAt10", "loss"],
  detecting: detectRelated,
  adopting
})

export const similarity: RelatedKind = related({
  metrics: correlation,
  headline: ["spearman", "loss"],
  detecting: detectSimilarity
})
