/**
 * Texts that belong together, for an encoder whose pooled hidden states are compared: pairs and triplets, or pairs with a score.
 *
 *   "model": { "source": "../models/minilm", "task": { "kind": "embedding", "pooling": "mean", "normalize": true } }
 *   "data": { "format": "embedding", "train": "pairs.jsonl", "validation": 0.1, "anchor": "question", "positive": "answer" }
 *   "data": { "format": "similarity", "train": "sts.csv", "text": "sentence1", "textPair": "sentence2", "score": "score" }
 *   "loss": { "temperature": 0.05, "matryoshka": [384, 128, 64] }
 */
import * as Schema from "effect/Schema"
import { choice, count, listOf, positive, withDefault } from "../fields.ts"
import type { Rule } from "../problems.ts"
import { encoderSection, encoderSource, textLengths } from "./encoder.ts"
import { type AnyPlan, column, type PlanKind, planOf, somethingIsAdapted, splits } from "./plan.ts"

/** Schema of `model.task` for text embeddings: one vector per text, without a head. */
export const EmbeddingTask = Schema.Struct({
  kind: Schema.Literal("embedding").annotate({ description: "A vector per text." }),
  pooling: Schema.optionalKey(
    choice(
      ["mean", "cls"],
      "How to pool the last hidden states into a vector: their mean over the tokens, or the first token. Default: as in the folder's sentence-transformers files (modules.json, 1_Pooling/config.json), otherwise mean."
    )
  ),
  normalize: Schema.optionalKey(
    Schema.Boolean.annotate({
      expected: "true or false",
      description:
        "Whether to scale vectors to length 1. Does not affect the loss, which uses cosines. Default: as in the folder's modules.json, otherwise true."
    })
  )
}).annotate({ title: "Embedding", description: "What the model is trained to do." })
export type EmbeddingTask = typeof EmbeddingTask.Type

export const EmbeddingModelSection = encoderSection(EmbeddingTask.pipe(withDefault({ kind: "embedding" })))

/** Schema of `data` with `format: "embedding"`: an anchor, a text that belongs to it, and perhaps one that does not. */
export const EmbeddingData = Schema.Struct({
  format: Schema.Literal("embedding").annotate({
    description: "Rows with a text and a matching text, optionally with one that does not match."
  }),
  ...splits,
  anchor: column("Column with the query text: a question, a title, a term.").pipe(withDefault("anchor")),
  positive: column(
    "Column with the text that matches the anchor. The positives of the other rows in the batch serve as negatives, so avoid rows that repeat a text; training warns about them."
  ).pipe(withDefault("positive")),
  negative: Schema.optionalKey(
    column(
      "Column with a similar text that does not match the anchor (a hard negative, used for every anchor of the batch). Default: none, rows are pairs."
    )
  ),
  ...textLengths
}).annotate({ title: "Embedding data", description: "Pairs or triplets of texts, and how to batch them." })
export type EmbeddingData = typeof EmbeddingData.Type

/** Schema of `data` with `format: "similarity"`: two texts and how alike they are. */
export const SimilarityData = Schema.Struct({
  format: Schema.Literal("similarity").annotate({
    description: "Rows with two texts and a similarity score."
  }),
  ...splits,
  text: column("Column with the first text.").pipe(withDefault("text")),
  textPair: column("Column with the second text.").pipe(withDefault("textPair")),
  score: column(
    'Column with the similarity score, larger for more similar texts. loss.kind "cosent" uses only its order; "cosine" expects values from -1 to 1.'
  ).pipe(withDefault("score")),
  ...textLengths
}).annotate({ title: "Similarity data", description: "Scored pairs of texts, and how to batch them." })
export type SimilarityData = typeof SimilarityData.Type

const matryoshka = Schema.optionalKey(
  listOf(
    1,
    count(1, "Dimensions of a vector.", "dimensions"),
    "a list of sizes, each once",
    "Sizes to which vectors can be truncated (and rescaled to length 1): the loss is summed over them. Include the full size if it should stay useful. Default: only the full vector."
  ).check(Schema.isUnique({ expected: "a list of sizes, each once" }))
)

const temperature = (of: string) =>
  positive(`Softmax temperature: divides the ${of}. The inverse of scale in sentence-transformers.`).pipe(
    withDefault(0.05)
  )

/** Schema of `loss` with `format: "embedding"`: InfoNCE, MultipleNegativesRankingLoss in sentence-transformers. */
export const ContrastLoss = Schema.Struct({
  temperature: temperature("cosines"),
  matryoshka
}).annotate({
  title: "Contrast",
  description:
    "Cross-entropy of each anchor's positive against all other positives and negatives of the batch, by cosine. training.batchSize sets how many there are; training.accumulate does not add any."
})

/** Schema of `loss` with `format: "similarity"`: CoSENT or mean squared error. */
export const SimilarityLoss = Schema.Struct({
  kind: choice(
    ["cosent", "cosine"],
    "cosent: the cosines of a batch should have the order of the scores (log-sum-exp over misordered pairs); cosine: mean squared error between cosine and score."
  ).pipe(withDefault("cosent")),
  temperature: temperature("differences of cosines"),
  matryoshka
}).annotate({
  title: "Similarity loss",
  description:
    "How to compare cosines with scores. cosent compares the pairs within a batch; training.batchSize sets how many."
})

/** Schema of plans for a Hugging Face encoder trained on pairs or triplets. */
export const EmbeddingPlan = planOf(
  EmbeddingModelSection,
  EmbeddingData,
  "EmbeddingPlan",
  "A training run over matching texts.",
  { loss: ContrastLoss.pipe(withDefault({})) }
)
export type EmbeddingPlan = typeof EmbeddingPlan.Type

/** Schema of plans for a Hugging Face encoder trained on scored pairs. */
export const SimilarityPlan = planOf(
  EmbeddingModelSection,
  SimilarityData,
  "SimilarityPlan",
  "A training run over pairs of texts with scores.",
  { loss: SimilarityLoss.pipe(withDefault({})) }
)
export type SimilarityPlan = typeof SimilarityPlan.Type

const rules: ReadonlyArray<Rule<AnyPlan>> = [encoderSource, somethingIsAdapted("an embedding model")]

export const embeddingPlans: PlanKind<"embedding", EmbeddingPlan, typeof EmbeddingPlan> = {
  formats: { embedding: EmbeddingPlan },
  rules
}

export const similarityPlans: PlanKind<"similarity", SimilarityPlan, typeof SimilarityPlan> = {
  formats: { similarity: SimilarityPlan },
  rules
}
